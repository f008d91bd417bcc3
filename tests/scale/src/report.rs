//! One line of JSON for each figure.

use serde_json::Value;

/// Prints a figure on a line of its own.
pub fn print(figure: &Value) {
    println!("{figure}");
}
