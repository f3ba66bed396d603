"""The part of the build that is not in pyproject.toml: SSIM's kernel for a CPU."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "ganloss.terms._cpu_kernel",
            sources=["src/ganloss/terms/_cpu_kernel.c"],
            depends=["src/ganloss/terms/_cpu_kernel.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-O3"],
            py_limited_api=True,
            optional=True,  # without a C compiler, SSIM takes longer, in torch
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
