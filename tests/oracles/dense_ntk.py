"""The tangent kernel written out: J one row at a time with reverse mode only, then J J^T. Slow, for a few points in float64."""

import torch


def jacobian(field, coords):
    """J `[n * c, P]`: one backward per prediction, columns in the order of `field.parameters()`, point-major rows."""
    leaves = [p for p in field.parameters() if p.requires_grad]
    rows = []
    for point in coords:
        prediction = field(point[None])[0]
        for channel in range(prediction.shape[0]):
            grads = torch.autograd.grad(prediction[channel], leaves, retain_graph=True, allow_unused=True)
            rows.append(
                torch.cat(
                    [torch.zeros(p.numel(), dtype=p.dtype) if g is None else g.reshape(-1) for g, p in zip(grads, leaves, strict=True)]
                )
            )
    return torch.stack(rows)


def ntk(field, coords):
    """K `[n, c, n, c]`."""
    rows = jacobian(field, coords)
    n = coords.shape[0]
    c = rows.shape[0] // n
    return (rows @ rows.T).reshape(n, c, n, c)
