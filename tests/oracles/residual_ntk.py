"""K g of the residual of a differential equation, written out in numpy without any automatic differentiation.

The network is u(t, x) = a . tanh(W (t, x) + b) + c, whose derivatives are known in closed form. J comes from the complex step
d r / d theta_k = Im r(theta + i h e_k) / h, which is exact to rounding. Slow, for a few points.
"""

import numpy as np

STEP = 1e-30


def unpack(theta, width):
    weight = theta[: 2 * width].reshape(width, 2)
    bias, out = theta[2 * width : 3 * width], theta[3 * width : 4 * width]
    return weight, bias, out, theta[4 * width]


def derivatives(theta, points, width):
    """u, u_t, u_x, u_xx at each point, `[n]` each."""
    weight, bias, out, shift = unpack(theta, width)
    h = np.tanh(points @ weight.T + bias)
    slope = 1 - h * h
    first, second = slope * out, -2 * h * slope * out
    return h @ out + shift, first @ weight[:, 0], first @ weight[:, 1], second @ weight[:, 1] ** 2


def residuals(theta, points, width, viscosity):
    """Burgers' equation, and a second one that makes channels couple: `[n, 2]`."""
    u, u_t, u_x, u_xx = derivatives(theta, points, width)
    return np.stack([u_t + u * u_x - viscosity * u_xx, u_xx * points[:, 0] - u**2], 1)


def jacobian(theta, points, width, viscosity):
    """`[n, 2, P]`."""
    columns = []
    for number in range(len(theta)):
        moved = theta.astype(complex)
        moved[number] += 1j * STEP
        columns.append(residuals(moved, points, width, viscosity).imag / STEP)
    return np.stack(columns, -1)


def kernel_times_gradient(theta, points, width, viscosity):
    """K g with the dense K `[2 n, 2 n]` and g the gradient of each point's mean square, `[n, 2]`."""
    rows = jacobian(theta, points, width, viscosity).reshape(-1, len(theta))
    gradient = residuals(theta, points, width, viscosity).reshape(-1)  # 2 r / (number of residuals)
    return (rows @ rows.T @ gradient).reshape(-1, 2)
