"""NINT and the authors' variant step by step, in plain Python floats and lists, from the specification alone.

Each is told the prediction and the values of a step, `[n][c]` nested lists, and a function that gives its kernel, `[n][c][n][c]`
nested lists (called only where it is needed), and answers which points the scored parts of the batch must be and how many random
ones must follow.
"""

import math
from dataclasses import dataclass


@dataclass
class Parts:
    """The batch of one step.

    Attributes:
        scored: Whether K g had to be computed at this step.
        ntk: Points chosen by NTK score, best first.
        error: Points chosen by error, best first.
        n_random: How many random others follow.
        short: How many of them stand where points of an earlier refresh have run out.
    """

    scored: bool
    ntk: list
    error: list
    n_random: int
    short: int = 0


def kernel_times(kernel, vector):
    """K v, `[n][c]`."""
    n, c = len(vector), len(vector[0])
    return [[sum(kernel[i][a][j][b] * vector[j][b] for j in range(n) for b in range(c)) for a in range(c)] for i in range(n)]


def ranked(scores, without=()):
    """Points by falling score, those in `without` left out."""
    return sorted((i for i in range(len(scores)) if i not in set(without)), key=lambda i: -scores[i])


def norm(row):
    return math.sqrt(sum(x * x for x in row))


def residual(prediction, values):
    return [[p - y for p, y in zip(ps, ys, strict=True)] for ps, ys in zip(prediction, values, strict=True)]


class NaiveNint:
    """Sec. 4.1.1 with the mean squared error, whose gradient for each point is g = 2 r / c."""

    def __init__(self, batch_share=0.2, xi=0.7, alpha=10, lam=1.0):
        self.batch_share, self.xi, self.alpha, self.lam = batch_share, xi, alpha, lam
        self.cached = None
        self.pool = None

    def counts(self, t, n):
        """(NTK, error, random) of a step."""
        batch = int(self.batch_share * n)
        n_random = int(self.xi * batch)
        n_ntk = int(math.exp(-self.lam * t / self.alpha) * (batch - n_random))
        return n_ntk, batch - n_random - n_ntk, n_random

    def step(self, t, prediction, values, kernel, pool=0):
        n, c = len(values), len(values[0])
        n_ntk, n_error, n_random = self.counts(t, n)
        gradient = [[2 * r / c for r in row] for row in residual(prediction, values)]
        scored = n_ntk > 0 and (self.cached is None or pool != self.pool or t % self.alpha == 0)
        if scored:
            self.cached, self.pool = [norm(row) for row in kernel_times(kernel(), gradient)], pool
        ntk = ranked(self.cached)[:n_ntk] if n_ntk else []
        error = ranked([norm(row) for row in gradient], without=ntk)[:n_error]
        return Parts(scored, ntk, error, n_random)


class NaiveNintReference:
    """The authors' code: the staircase, the kept indices, L1 errors, squares of the prediction or of K times the raw residual."""

    def __init__(self, batch_share=0.2, xi=0.7, alpha=10, lam=1.0, score="kernel"):
        self.batch_share, self.xi, self.alpha, self.lam, self.score = batch_share, xi, alpha, lam, score
        self.u = 0
        self.p = None
        self.stopped = False
        self.cached = None

    def counts(self, n):
        """Goes on to the next scoring step: (whether K g is due, NTK, error, random)."""
        self.u += 1
        updated = self.u == 1 or self.u % self.alpha == 0
        if updated:
            self.p = (1 - self.xi) * math.exp(-math.ceil(self.lam * self.u / self.alpha))
            self.stopped = self.stopped or self.p < 1e-3
        batch = int(self.batch_share * n)
        n_ntk, n_error = int(batch * self.p), int(batch * (1 - self.p - self.xi))
        return updated and not self.stopped, n_ntk, n_error, batch - n_ntk - n_error

    def step(self, prediction, values, kernel):
        scored, n_ntk, n_error, n_random = self.counts(len(values))
        wrong = residual(prediction, values)
        if scored:
            rows = prediction if self.score == "prediction" else kernel_times(kernel(), wrong)
            self.cached = ranked([sum(w * w for w in row) for row in rows])[:n_ntk]
        ntk = self.cached[:n_ntk]
        short = n_ntk - len(ntk)
        error = ranked([sum(abs(r) for r in row) for row in wrong], without=ntk)[:n_error]
        return Parts(scored, ntk, error, n_random + short, short)
