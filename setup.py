"""The part of the build that is not in pyproject.toml: SSIM's kernel for a CPU."""

import sysconfig

from setuptools import Extension, setup

#: One file for every later Python, but for those without a global lock, which have none such yet.
LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    ext_modules=[
        Extension(
            "ganloss.terms._cpu_kernel",
            sources=["src/ganloss/terms/_cpu_kernel.c"],
            depends=["src/ganloss/terms/_cpu_kernel.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
            extra_compile_args=["-O3"],
            py_limited_api=LIMITED,
            optional=True,  # without a C compiler, SSIM takes longer, in torch
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
