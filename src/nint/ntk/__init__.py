"""THE KERNEL. Products K v = J (J^T v) for any number of points; the matrix and its diagonal for small sets."""

from nint.ntk.dense import ntk_diagonal, ntk_matrix
from nint.ntk.products import ntk_vector_product

__all__ = ["ntk_diagonal", "ntk_matrix", "ntk_vector_product"]
