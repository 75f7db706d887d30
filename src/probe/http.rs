//! One HTTP GET over a new connection; only the status line is read.

use super::Answer;
use super::tcp::Dialogue;

pub(super) struct Get {
    pub(super) host: String,
    pub(super) path: String,
}

impl Dialogue for Get {
    fn stands(&self) -> bool {
        false
    }

    fn ask(&self, _: u32) -> Vec<u8> {
        let Self { host, path } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: haoscar\r\nConnection: close\r\n\r\n")
            .into()
    }

    fn read(&self, bytes: &mut Vec<u8>) -> Option<(Option<u32>, Answer)> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let line: Vec<u8> = bytes.drain(..end + 2).collect();
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let good = line.starts_with("HTTP/1.") && line.split(' ').nth(1) == Some("200");
        Some((None, if good { Answer::Good } else { Answer::Wrong(line) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_right_and_half_a_line_is_no_answer_yet() {
        let get = Get { host: "a".into(), path: "/".into() };
        let mut half = b"HTTP/1.1 200".to_vec();
        assert_eq!(get.read(&mut half), None);
        half.extend_from_slice(b" OK\r\n");
        assert_eq!(get.read(&mut half), Some((None, Answer::Good)));
        let mut broken = b"HTTP/1.1 503 Gone\r\n".to_vec();
        assert_eq!(get.read(&mut broken), Some((None, Answer::Wrong("HTTP/1.1 503 Gone".into()))));
    }
}
