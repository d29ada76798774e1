// activation.glsl - the activations of device.h, without cancellation near 0 and without overflow.

// WN_ACT_... of device.h
const uint ACT_NONE = 1, ACT_GELU_TANH = 2, ACT_GELU_ERF = 3, ACT_QUICK_GELU = 4, ACT_SILU = 5, ACT_RELU = 6,
           ACT_TANH = 7;

float sigmoid(float x)
{
    return 1.0 / (1.0 + exp(-x));
}

float tanh_exact(float x)
{
    const float s = x * x;
    if (abs(x) < 0.25) // Taylor; the first omitted term is below 2^-28
        return x * (1.0 + s * (-1.0 / 3.0 + s * (2.0 / 15.0 + s * (-17.0 / 315.0 + s * (62.0 / 2835.0)))));
    return sign(x) * (1.0 - 2.0 / (exp(2.0 * abs(x)) + 1.0));
}

// The error function (Abramowitz and Stegun 1964, 7.1.26 has 1.5e-7 absolute, which is too much near 0: there the
// Maclaurin series).
float erf(float x)
{
    const float a = abs(x), s = x * x;
    if (a < 0.5)
        return x * 1.1283791671 *
               (1.0 + s * (-1.0 / 3.0 + s * (1.0 / 10.0 + s * (-1.0 / 42.0 + s * (1.0 / 216.0 - s / 1320.0)))));
    const float t = 1.0 / (1.0 + 0.3275911 * a);
    const float y = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - y * exp(-s));
}

float activate(float x, uint kind)
{
    switch (kind) {
    case ACT_GELU_TANH: // 0.5 (1 + tanh u) is sigmoid(2 u)
        return x * sigmoid(1.5957691216 * (x + 0.044715 * x * x * x));
    case ACT_GELU_ERF:
        return 0.5 * x * (1.0 + erf(0.7071067812 * x));
    case ACT_QUICK_GELU:
        return x * sigmoid(1.702 * x);
    case ACT_SILU:
        return x * sigmoid(x);
    case ACT_RELU:
        return max(x, 0.0);
    case ACT_TANH:
        return tanh_exact(x);
    default:
        return x;
    }
}
