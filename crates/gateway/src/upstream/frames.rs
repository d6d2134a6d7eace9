//! Where the frames of a WebSocket end (RFC 6455, 5.2): between two of them there is room for one of
//! ours.

/// The end of a connection whose service starts anew: a close frame with the code 1012.
pub(crate) const COME_AGAIN: [u8; 4] = [0x88, 0x02, 0x03, 0xf4];

/// Longest head: two bytes, eight of length, four of a mask.
const MAX_HEAD: usize = 14;

/// What was seen of the frames of one direction.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; MAX_HEAD],
    /// Bytes of the head that have come.
    known: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Frames {
    /// Goes on with what has come.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.known) {
                *place = *first;
                self.known += 1;
            }
            bytes = rest;
            if let Some(length) = self.length() {
                self.left = length;
                self.known = 0;
            }
        }
    }

    /// Whether the last frame has come to its end.
    pub(crate) fn are_whole(&self) -> bool {
        self.known == 0 && self.left == 0
    }

    /// The payload's length, when the head is whole.
    fn length(&self) -> Option<u64> {
        let head = self.head.get(..self.known)?;
        let second = head.get(1)?;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (bytes, length) = match second & 0x7f {
            126 => (2, number(head.get(2..4)?)),
            127 => (8, number(head.get(2..10)?)),
            short => (0, u64::from(short)),
        };
        (head.len() == 2 + bytes + mask).then_some(length)
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, mask: bool) -> Vec<u8> {
        let bit = if mask { 0x80 } else { 0 };
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(bit | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(bit | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0x81; if mask { 4 } else { 0 } + length]);
        frame
    }

    #[test]
    fn the_ends_are_found_however_the_bytes_come() {
        for (length, mask) in [0, 1, 125, 126, 300, 65_535, 65_536, 70_000]
            .into_iter()
            .flat_map(|length| [(length, false), (length, true)])
        {
            let one = frame(length, mask);
            let all = [one.clone(), one.clone()].concat();
            for piece in [1, 3, 7, 1_000, all.len()] {
                let mut frames = Frames::default();
                let mut came = 0;
                for bytes in all.chunks(piece) {
                    frames.see(bytes);
                    came += bytes.len();
                    assert_eq!(frames.are_whole(), came % one.len() == 0, "{length} {came}");
                }
            }
        }
        assert_eq!(u16::from_be_bytes([COME_AGAIN[2], COME_AGAIN[3]]), 1012);
    }
}
