//! The wire format of protocol buffers, as far as metrics need it
//! (<https://protobuf.dev/programming-guides/encoding/>). Writes only.

/// A message being written.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

/// How a field's value is laid out.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;

impl Message {
    /// The bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins again, with the memory it has.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// A number of seven bits a byte.
    pub fn varint(&mut self, mut number: u64) {
        loop {
            let [low, ..] = (number & 0x7f).to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn key(&mut self, field: u64, layout: u64) {
        self.varint(field << 3 | layout);
    }

    /// A whole number or a choice.
    pub fn number(&mut self, field: u64, number: u64) {
        self.key(field, VARINT);
        self.varint(number);
    }

    /// A text.
    pub fn text(&mut self, field: u64, text: &str) {
        self.key(field, LENGTH);
        self.varint(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A message within this one.
    pub fn message(&mut self, field: u64, inner: &Self) {
        self.key(field, LENGTH);
        self.varint(inner.len());
        self.0.extend_from_slice(&inner.0);
    }

    /// A floating-point number.
    pub fn double(&mut self, field: u64, number: f64) {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A whole number of eight bytes.
    pub fn fixed64(&mut self, field: u64, number: u64) {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }
}
