//! A buffered reader for plaintext: what it held in memory is overwritten when it is dropped.

use memchr::memchr;
use std::io::{BufRead, Read, Result};
use zeroize::Zeroizing;

/// As [`std::io::BufReader`], but its buffer is zeroized once it is dropped.
pub struct WipedReader<R> {
    inner: R,
    buffer: Zeroizing<Vec<u8>>,
    /// What is read of the buffer, and what of it is filled.
    read: usize,
    filled: usize,
}

impl<R: Read> WipedReader<R> {
    /// A reader with a buffer of `capacity` bytes (at least one).
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        Self { inner, buffer: Zeroizing::new(vec![0; capacity.max(1)]), read: 0, filled: 0 }
    }

    /// Appends the next line, with its newline; the number of bytes, 0 at the end.
    ///
    /// # Errors
    /// What the inner reader says.
    pub fn line(&mut self, into: &mut Zeroizing<Vec<u8>>) -> Result<usize> {
        let before = into.len();
        loop {
            let available = match self.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr(b'\n', available).map(|at| at + 1);
            let length = end.unwrap_or(available.len());
            append(into, &available[..length]);
            self.consume(length);
            if end.is_some() || length == 0 {
                return Ok(into.len() - before);
            }
        }
    }
}

/// Appends bytes; where the vector must grow, the old allocation is overwritten before it is given back.
pub(crate) fn append(into: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let length = into.len() + bytes.len();
    if length > into.capacity() {
        let mut grown = Zeroizing::new(Vec::with_capacity(length.max(2 * into.capacity())));
        grown.extend_from_slice(into);
        *into = grown;
    }
    into.extend_from_slice(bytes);
}

/// Appends all that is left of an input; where the vector must grow, the old allocation is overwritten before it is given back.
///
/// # Errors
/// What the input says.
pub(crate) fn read_all(input: &mut impl Read, into: &mut Zeroizing<Vec<u8>>) -> Result<()> {
    loop {
        if into.len() == into.capacity() {
            let mut grown = Zeroizing::new(Vec::with_capacity((2 * into.capacity()).max(1 << 16)));
            grown.extend_from_slice(into);
            *into = grown;
        }
        // As much as there is room for: the vector must not grow by itself.
        let room = into.capacity() - into.len();
        if input.by_ref().take(room as u64).read_to_end(into)? == 0 {
            return Ok(());
        }
    }
}

impl<R: Read> Read for WipedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.read == self.filled && out.len() >= self.buffer.len() {
            return self.inner.read(out);
        }
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for WipedReader<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.read == self.filled {
            self.filled = self.inner.read(&mut self.buffer)?;
            self.read = 0;
        }
        Ok(&self.buffer[self.read..self.filled])
    }

    fn consume(&mut self, count: usize) {
        self.read = (self.read + count).min(self.filled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_a_buffered_reader_reads() {
        let text = "one\n\ntwo words\nlast".repeat(7);
        for capacity in [0, 1, 3, 5, 1 << 10] {
            let mut reader = WipedReader::with_capacity(capacity, text.as_bytes());
            let (mut lines, mut line) = (Vec::new(), Zeroizing::new(Vec::new()));
            while reader.line(&mut line).unwrap() > 0 {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
                line.clear();
            }
            assert_eq!(lines, text.split_inclusive('\n').collect::<Vec<_>>(), "{capacity}");
            let mut whole = String::new();
            WipedReader::with_capacity(capacity, text.as_bytes()).read_to_string(&mut whole).unwrap();
            assert_eq!(whole, text, "{capacity}");
        }
    }
}
