/* Mean similarity of planes, and its gradients, on a CPU: one pass over the images, whose
   intermediate rows stay in cache. ganloss.terms._cpu calls it, and does without where it could
   not be compiled; ganloss.terms._similarity has the same formulas in torch. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
/* Four maps are averaged under the window, and up to four slopes are spread by it. */
#define MAPS 4
/* Bands have about this many rows; a gradient computes the window's margin above again. */
#define ROWS_PER_BAND 256
#define ROWS_PER_SUM 16

typedef struct {
    const float *x, *y;
    float *by_x, *by_y; /* gradients; NULL where they are not wanted */
    const float *taps;  /* twice the window, one behind the other */
    double *sums;       /* of what the similarity lacks of 1, for each band of each plane */
    ptrdiff_t planes, bands, height, width, window;
    float c1, c2;
    int luminance, count;
    ptrdiff_t next; /* first item that no thread has taken */
} Job;

typedef struct {
    const float *x, *y;
    float *by_x, *by_y;
    float x_centre, y_centre;
} Plane;

/* About the mean of some rows, from an eighth of them: no result depends on it. */
static float centre(const float *rows, ptrdiff_t height, ptrdiff_t width)
{
    double sum = 0;
    for (ptrdiff_t row = 0; row < height; row += 8) {
        float parts[16] = {0}; /* one behind the other, additions would wait for each other */
        for (ptrdiff_t column = 0; column < width; column++)
            parts[column % 16] += rows[row * width + column];
        for (int i = 0; i < 16; i++)
            sum += parts[i];
    }
    return (float)(sum / (double)((height + 7) / 8 * width));
}

/* A plane, centred for a band of its rows. */
static Plane plane_for(const Job *job, ptrdiff_t index, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t start = index * job->height * job->width, skipped = first * job->width;
    Plane plane = {job->x + start, job->y + start, NULL, NULL, 0, 0};
    if (job->count > 0)
        plane.by_x = job->by_x + start;
    if (job->count > 1)
        plane.by_y = job->by_y + start;
    plane.x_centre = centre(plane.x + skipped, last - first, job->width);
    plane.y_centre = centre(plane.y + skipped, last - first, job->width);
    return plane;
}

/* Bytes for a row of totals, two rings, and rows of products and slopes with a margin. */
static size_t memory_needed(const Job *job, ptrdiff_t lanes)
{
    const ptrdiff_t padded = (job->width + lanes - 1) / lanes * lanes;
    const ptrdiff_t with_margin = padded + 2 * (job->window - 1) + lanes;
    const ptrdiff_t floats = padded * (1 + 2 * MAPS * job->window) + 2 * MAPS * with_margin;
    return (size_t)floats * sizeof(float);
}

#define LANES 4
#define TARGET
#define NAME(name) name##_plain
#include "_cpu_kernel.h"

#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define NAME(name) name##_avx2
#include "_cpu_kernel.h"

#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq")))
#define NAME(name) name##_avx512
#include "_cpu_kernel.h"
#endif

typedef void (*Work)(void *);

/* The widest vectors of this processor, of up to that many bits. */
static Work work_for(int bits)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (bits >= 512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return work_avx512;
    if (bits >= 256 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return work_avx2;
#else
    (void)bits;
#endif
    return work_plain;
}

/* torch's own pool of threads, if it is one of OpenMP: a second one would wait in its way. */
extern void GOMP_parallel(Work, void *, unsigned, unsigned) __attribute__((weak));

/* Whether all was worked off; without memory it may not be. */
static int work_on(Job *job, unsigned threads, Work work)
{
    const ptrdiff_t items = job->planes * job->bands;
    job->sums = malloc((size_t)items * sizeof(double));
    if (!job->sums)
        return 0;
    if (threads > items)
        threads = (unsigned)items;
    if (GOMP_parallel && threads > 1)
        GOMP_parallel(work, job, threads, 0);
    else
        work(job);
    return job->next >= items;
}

static PyObject *similarity(PyObject *module, PyObject *arguments)
{
    Job job = {0};
    Py_ssize_t x, y, means, by_x, by_y, taps;
    unsigned threads;
    int bits, done;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "nnnnnnnnnnffpII:similarity", &x, &y, &means, &by_x, &by_y,
                          &taps, &job.planes, &job.height, &job.width, &job.window, &job.c1,
                          &job.c2, &job.luminance, &threads, &bits))
        return NULL;
    job.x = (const float *)x;
    job.y = (const float *)y;
    job.by_x = (float *)by_x;
    job.by_y = (float *)by_y;
    job.taps = (const float *)taps;
    job.count = (by_x != 0) + (by_y != 0);
    job.bands = (job.height + ROWS_PER_BAND / 2) / ROWS_PER_BAND;
    job.bands = job.bands > 1 ? job.bands : 1;
    Py_BEGIN_ALLOW_THREADS
    done = work_on(&job, threads, work_for(bits));
    for (ptrdiff_t plane = 0; done && plane < job.planes; plane++) {
        double sum = 0;
        for (ptrdiff_t band = 0; band < job.bands; band++)
            sum += job.sums[plane * job.bands + band];
        double places = (double)(job.height - job.window + 1) * (double)(job.width - job.window + 1);
        ((float *)means)[plane] = (float)((1 - sum / places) * (job.luminance ? 0.5 : 1));
    }
    free(job.sums);
    Py_END_ALLOW_THREADS
    if (!done)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"similarity", similarity, METH_VARARGS,
     "similarity(x, y, means, by_x, by_y, taps, planes, height, width, window, c1, c2, luminance, "
     "threads, bits)\n\n"
     "Fill the mean similarity of each plane, and halves of its gradients times the number of\n"
     "places, where there is an address for them and not 0. Both lack a factor of 2 where there\n"
     "is a luminance. All addresses are of float32; taps are the window's weights, twice."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_cpu_kernel", "The similarity on a CPU.", 0, methods, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__cpu_kernel(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && PyModule_AddIntConstant(module, "PARALLEL", GOMP_parallel != NULL) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
