//! Dense symmetric matrices: factor, inverse, small solves.
//!
//! It knows nothing of machines or watts. Indices run over ranges that the
//! matrix's own size bounds, so none can leave it.

/// A square matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Square {
    size: usize,
    cells: Vec<f64>,
}

/// Why a matrix has no inverse.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("matrix of size {size} is not positive definite at row {row}")]
pub struct Singular {
    /// Rows of the matrix.
    pub size: usize,
    /// The first row that depends on those before it.
    pub row: usize,
}

impl Square {
    /// A matrix of zeros.
    #[must_use]
    pub fn zeros(size: usize) -> Self {
        Self {
            size,
            cells: vec![0.0; size * size],
        }
    }

    /// A symmetric matrix from a function of row and column, which is called
    /// for columns up to the row only.
    #[must_use]
    pub fn symmetric(size: usize, mut cell: impl FnMut(usize, usize) -> f64) -> Self {
        let mut matrix = Self::zeros(size);
        for row in 0..size {
            for column in 0..=row {
                let value = cell(row, column);
                matrix.cells[row * size + column] = value;
                matrix.cells[column * size + row] = value;
            }
        }
        matrix
    }

    /// Number of rows.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.size..(row + 1) * self.size]
    }

    /// One cell.
    #[must_use]
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    /// `xᵀ A x` of a symmetric matrix; each pair of cells is read once, as
    /// reading them is what it costs.
    #[must_use]
    pub fn quadratic(&self, x: &[f64]) -> f64 {
        x.iter()
            .enumerate()
            .map(|(row, own)| {
                let before = dot(&self.row(row)[..row], &x[..row]);
                own * (2.0 * before + self.at(row, row) * own)
            })
            .sum()
    }

    /// The inverse of a symmetric positive definite matrix.
    ///
    /// # Errors
    /// If the matrix is not positive definite.
    pub fn inverse(&self) -> Result<Self, Singular> {
        Ok(self.cholesky()?.lower_inverse().gram())
    }

    /// The rows and columns `members`, in that order.
    #[must_use]
    pub fn block(&self, members: &[usize]) -> Self {
        let mut block = Self::zeros(members.len());
        for (to, from) in members.iter().enumerate() {
            for (column, other) in members.iter().enumerate() {
                block.cells[to * members.len() + column] = self.at(*from, *other);
            }
        }
        block
    }

    /// The lower factor `L` with `L Lᵀ` = self; its upper part is zero.
    fn cholesky(&self) -> Result<Self, Singular> {
        let size = self.size;
        let mut lower = Self::zeros(size);
        for row in 0..size {
            let (done, rest) = lower.cells.split_at_mut(row * size);
            let current = &mut rest[..size];
            for column in 0..row {
                let other = &done[column * size..column * size + column];
                let sum = self.at(row, column) - dot(&current[..column], other);
                current[column] = sum / done[column * size + column];
            }
            let rest = self.at(row, row) - dot(&current[..row], &current[..row]);
            if rest.is_nan() || rest <= f64::EPSILON {
                return Err(Singular { size, row });
            }
            current[row] = rest.sqrt();
        }
        Ok(lower)
    }

    /// The inverse of a lower triangular matrix, itself lower triangular.
    fn lower_inverse(&self) -> Self {
        let size = self.size;
        let mut inverse = Self::zeros(size);
        for row in 0..size {
            let (done, rest) = inverse.cells.split_at_mut(row * size);
            let current = &mut rest[..size];
            let pivot = 1.0 / self.at(row, row);
            for (k, factor) in self.row(row)[..row].iter().enumerate() {
                add_scaled(
                    &mut current[..=k],
                    &done[k * size..=k * size + k],
                    -factor * pivot,
                );
            }
            current[row] = pivot;
        }
        inverse
    }

    /// `selfᵀ self` of a lower triangular matrix.
    fn gram(&self) -> Self {
        let size = self.size;
        let mut gram = Self::zeros(size);
        for k in 0..size {
            let source = &self.row(k)[..=k];
            for (row, factor) in source.iter().enumerate() {
                let target = &mut gram.cells[row * size..=row * size + row];
                add_scaled(target, &source[..=row], *factor);
            }
        }
        for row in 0..size {
            for column in 0..row {
                gram.cells[column * size + row] = gram.cells[row * size + column];
            }
        }
        gram
    }
}

/// The inner product, in four chains so that the processor can overlap them.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut chains = [0.0_f64; 4];
    let (fours_a, rest_a) = a.as_chunks::<4>();
    let (fours_b, rest_b) = b.as_chunks::<4>();
    for (x, y) in fours_a.iter().zip(fours_b) {
        for lane in 0..4 {
            chains[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum();
    chains.iter().sum::<f64>() + rest
}

fn add_scaled(target: &mut [f64], source: &[f64], factor: f64) {
    for (to, from) in target.iter_mut().zip(source) {
        *to += factor * from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_matrix() {
        let matrix = Square::symmetric(7, |row, column| {
            let distance = f64::from(u32::try_from(row - column).unwrap());
            (-distance).exp() + if row == column { 0.5 } else { 0.0 }
        });
        let inverse = matrix.inverse().unwrap();
        for row in 0..7 {
            for column in 0..7 {
                let cell = dot(matrix.row(row), inverse.row(column));
                let wanted = if row == column { 1.0 } else { 0.0 };
                assert!((cell - wanted).abs() < 1e-9, "{row},{column}: {cell}");
            }
        }
    }

    #[test]
    fn a_singular_matrix_is_refused_by_row() {
        let matrix = Square::symmetric(3, |_, _| 1.0);
        assert_eq!(matrix.inverse(), Err(Singular { size: 3, row: 1 }));
    }

    #[test]
    fn half_of_a_symmetric_matrix_gives_its_quadratic_form() {
        let matrix = Square::symmetric(7, |a, b| f64::from(u8::try_from(a * 3 + b).unwrap()).sin());
        let x: Vec<f64> = (0..7_u8).map(|n| f64::from(n).cos()).collect();
        let whole: f64 = (0..7).map(|row| x[row] * dot(matrix.row(row), &x)).sum();
        assert!((matrix.quadratic(&x) - whole).abs() < 1e-12);
    }
}
