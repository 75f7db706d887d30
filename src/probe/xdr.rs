//! XDR (RFC 4506) as far as NFS needs it. By hand: no kept crate speaks NFSv4 as a client without an async runtime.

/// Writes XDR.
#[derive(Default)]
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn all(&mut self, values: &[u32]) -> &mut Self {
        for value in values {
            self.u32(*value);
        }
        self
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Bytes of a length that both sides know, a multiple of four.
    pub(super) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes with their length before and padding behind.
    pub(super) fn opaque(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

/// Reads XDR; none past the end.
pub(super) struct Decoder<'a>(pub(super) &'a [u8]);

impl<'a> Decoder<'a> {
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.fixed().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.fixed().map(u64::from_be_bytes)
    }

    pub(super) fn opaque(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest.get(length.next_multiple_of(4) - length..)?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_bytes_are_padded_to_four_and_read_back() {
        let mut encoder = Encoder::default();
        encoder.opaque(b"abcde").u32(7).u64(8);
        assert_eq!(encoder.0.len(), 4 + 8 + 4 + 8);
        let mut decoder = Decoder(&encoder.0);
        assert_eq!(decoder.opaque(), Some(&b"abcde"[..]));
        assert_eq!((decoder.u32(), decoder.u64(), decoder.u32()), (Some(7), Some(8), None));
    }

    #[test]
    fn a_length_past_the_end_is_none_and_no_panic() {
        assert_eq!(Decoder(&[0xff, 0xff, 0xff, 0xff, 1]).opaque(), None);
    }
}
