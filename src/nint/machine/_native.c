/* Sines with their derivatives in one pass over memory, in float32.

   Arguments are addresses of contiguous float arrays and their lengths; nint.machine.sines checks them. Without this module (no compiler
   was there when nint was installed) nint computes the same with PyTorch.

   sin and cos by reduction to [-pi/2, pi/2] in four parts of pi and minimax polynomials: at most 2 ulp of 1 from the exact value for
   |x| <= 1e4. A block that holds a larger value, or one that is no number, goes through the C library in double precision.            */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "_portable.h"

#define LARGEST 1e4f
#define BLOCK 4096 /* floats that are worked on while they are in the first cache */

typedef struct {
    float sine, cosine;
} Pair;

INLINE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

INLINE float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

INLINE Pair sine_cosine(float x) {
    const float to_whole = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number, whose lowest bit is then that of the float */
    const float shifted = x * 0.318309886f + to_whole;
    const uint32_t odd = bits_of(shifted) << 31;
    const float k = shifted - to_whole;
    float r = x - k * 3.140625f;
    r = r - k * 0.0009670257568359375f;
    r = r - k * 6.2771141529083251953e-07f;
    r = r - k * 1.2154201256553420762e-10f;
    const float q = r * r;
    float s = 2.6083159809786593541503e-06f;
    s = s * q + -0.0001981069071916863322258f;
    s = s * q + 0.00833307858556509017944336f;
    s = s * q + -0.166666597127914428710938f;
    s = s * q * r + r;
    float c = -2.6051615464872668e-7f;
    c = c * q + 2.4760495088926859e-5f;
    c = c * q + -1.3888377661039897e-3f;
    c = c * q + 4.1666638865338612e-2f;
    c = c * q + -4.9999999508695869e-1f;
    c = c * q + 1.0f;
    const Pair pair = {float_of(bits_of(s) ^ odd), float_of(bits_of(c) ^ odd)};
    return pair;
}

static Pair exact_sine_cosine(float x) {
    const double wide = x;
    const Pair pair = {(float)sin(wide), (float)cos(wide)};
    return pair;
}

/* value = z + bias for the rows of one block; returns whether all of them are at most `largest` (a NaN is not). z may be value. */
INLINE int shifted(const float *z, const float *bias, float *value, Py_ssize_t rows, Py_ssize_t columns, float largest) {
    int beyond = 0;
    for (Py_ssize_t r = 0; r < rows; r++) {
        const float *from = z + r * columns;
        float *to = value + r * columns;
        INDEPENDENT
        for (Py_ssize_t j = 0; j < columns; j++) {
            const float x = from[j] + bias[j];
            to[j] = x;
            beyond |= !(fabsf(x) <= largest);
        }
    }
    return !beyond;
}

/* The phase of FINER is omega (|z| + 1) z, its factor a constant to every derivative. */
INLINE float factor_of(float z, float omega) { return omega * (fabsf(z) + 1.0f); }

/* A |z| up to this has a phase of at most LARGEST. */
INLINE float bound_of(int finer, float omega) { return finer ? (sqrtf(1.0f + 4.0f * LARGEST / omega) - 1.0f) / 2.0f : LARGEST; }

#define EACH(BODY, SINE_COSINE)                                                \
    for (Py_ssize_t i = start; i < stop; i++) {                                \
        const float factor = finer ? factor_of(value[i], omega) : 1.0f;        \
        const Pair pair = SINE_COSINE(finer ? factor * value[i] : value[i]);   \
        BODY                                                                   \
    }

/* Defines NAME_of: value becomes z + bias, then BODY is done for each i with the sine and cosine of its phase. */
#define DEFINE(NAME, ARGUMENTS, BODY)                                                                          \
    INLINE void NAME##_of ARGUMENTS {                                                                          \
        const float bound = bound_of(finer, omega);                                                            \
        const Py_ssize_t step = columns >= BLOCK ? 1 : BLOCK / (columns > 0 ? columns : 1);                    \
        for (Py_ssize_t first = 0; first < rows; first += step) {                                              \
            const Py_ssize_t last = rows - first < step ? rows : first + step;                                 \
            const Py_ssize_t start = first * columns, stop = last * columns;                                   \
            if (shifted(z + start, bias, value + start, last - first, columns, bound)) {                       \
                INDEPENDENT EACH(BODY, sine_cosine)                                                            \
            } else {                                                                                           \
                EACH(BODY, exact_sine_cosine)                                                                  \
            }                                                                                                  \
        }                                                                                                      \
    }

DEFINE(value, (const float *z, const float *bias, float *value, float omega, Py_ssize_t rows, Py_ssize_t columns, int finer), {
    value[i] = pair.sine;
})
DEFINE(slope, (const float *z, const float *bias, float *value, float *slope, float omega, Py_ssize_t rows, Py_ssize_t columns, int finer), {
    value[i] = pair.sine;
    slope[i] = pair.cosine * factor;
})
DEFINE(tangent, (const float *z, const float *bias, float *value, float *tangent, float omega, Py_ssize_t rows, Py_ssize_t columns, int finer), {
    value[i] = pair.sine;
    tangent[i] *= pair.cosine * factor;
})

#define SIZES float omega, Py_ssize_t rows, Py_ssize_t columns
EACH_PROCESSOR static void siren_value(const float *z, const float *b, float *v, SIZES) { value_of(z, b, v, omega, rows, columns, 0); }
EACH_PROCESSOR static void finer_value(const float *z, const float *b, float *v, SIZES) { value_of(z, b, v, omega, rows, columns, 1); }
EACH_PROCESSOR static void siren_slope(const float *z, const float *b, float *v, float *s, SIZES) { slope_of(z, b, v, s, omega, rows, columns, 0); }
EACH_PROCESSOR static void finer_slope(const float *z, const float *b, float *v, float *s, SIZES) { slope_of(z, b, v, s, omega, rows, columns, 1); }
EACH_PROCESSOR static void siren_tangent(const float *z, const float *b, float *v, float *t, SIZES) { tangent_of(z, b, v, t, omega, rows, columns, 0); }
EACH_PROCESSOR static void finer_tangent(const float *z, const float *b, float *v, float *t, SIZES) { tangent_of(z, b, v, t, omega, rows, columns, 1); }

/* cotangent[r, j] *= slope[r, j]; sums[j] += the sum over r, in runs of 64 rows so that rounding does not grow with their number. */
EACH_PROCESSOR static void chain(float *cotangent, const float *slope, float *sums, float *part, Py_ssize_t rows, Py_ssize_t columns) {
    for (Py_ssize_t first = 0; first < rows; first += 64) {
        const Py_ssize_t last = rows - first < 64 ? rows : first + 64;
        for (Py_ssize_t j = 0; j < columns; j++) part[j] = 0.0f;
        for (Py_ssize_t r = first; r < last; r++) {
            float *row = cotangent + r * columns;
            const float *by = slope + r * columns;
            INDEPENDENT
            for (Py_ssize_t j = 0; j < columns; j++) {
                row[j] *= by[j];
                part[j] += row[j];
            }
        }
        INDEPENDENT
        for (Py_ssize_t j = 0; j < columns; j++) sums[j] += part[j];
    }
}

#define FLOATS(address) ((float *)(uintptr_t)(address))
typedef unsigned long long Address;

static PyObject *py_value(PyObject *self, PyObject *arguments) {
    Address z, bias, value;
    Py_ssize_t rows, columns;
    float omega;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "KKKnnf", &z, &bias, &value, &rows, &columns, &omega)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    (omega > 0 ? finer_value : siren_value)(FLOATS(z), FLOATS(bias), FLOATS(value), omega, rows, columns);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *with_derivative(PyObject *arguments, int forward_mode) {
    Address z, bias, value, other;
    Py_ssize_t rows, columns;
    float omega;
    if (!PyArg_ParseTuple(arguments, "KKKKnnf", &z, &bias, &value, &other, &rows, &columns, &omega)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    if (forward_mode)
        (omega > 0 ? finer_tangent : siren_tangent)(FLOATS(z), FLOATS(bias), FLOATS(value), FLOATS(other), omega, rows, columns);
    else
        (omega > 0 ? finer_slope : siren_slope)(FLOATS(z), FLOATS(bias), FLOATS(value), FLOATS(other), omega, rows, columns);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *py_slope(PyObject *self, PyObject *arguments) {
    (void)self;
    return with_derivative(arguments, 0);
}

static PyObject *py_tangent(PyObject *self, PyObject *arguments) {
    (void)self;
    return with_derivative(arguments, 1);
}

static PyObject *py_chain(PyObject *self, PyObject *arguments) {
    Address cotangent, slope, sums;
    Py_ssize_t rows, columns;
    float *part;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "KKKnn", &cotangent, &slope, &sums, &rows, &columns)) return NULL;
    part = (float *)PyMem_Malloc((size_t)(columns > 0 ? columns : 1) * sizeof(float));
    if (part == NULL) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    chain(FLOATS(cotangent), FLOATS(slope), FLOATS(sums), part, rows, columns);
    Py_END_ALLOW_THREADS
    PyMem_Free(part);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"value", py_value, METH_VARARGS, "value(z, bias, value, rows, columns, omega): sin(z + bias), or of FINER's phase where omega > 0; value may be z."},
    {"slope", py_slope, METH_VARARGS, "slope(z, bias, value, slope, rows, columns, omega): the sine and its derivative; value may be z."},
    {"tangent", py_tangent, METH_VARARGS, "tangent(z, bias, value, tangent, rows, columns, omega): the sine; tangent *= its derivative; value may be z."},
    {"chain", py_chain, METH_VARARGS, "chain(cotangent, slope, sums, rows, columns): cotangent *= slope; sums += column sums."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", "Sines with their derivatives in one pass.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
