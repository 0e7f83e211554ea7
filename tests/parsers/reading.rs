//! A message head as RFC 3261 section 7.3.1 defines it, read in the plainest way: what the next
//! recipient of the message may make of it.

/// Names and values, with folded lines joined; lines without a colon are ignored.
pub fn head(message: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let begin = message.iter().position(|byte| !b"\r\n".contains(byte));
    let lines = message[begin.unwrap_or(0)..].split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in lines.skip(1).take_while(|line| !line.is_empty()) {
        match (line.first(), headers.last_mut()) {
            (Some(b' ' | b'\t'), Some((_, value))) => {
                value.push(b' ');
                value.extend_from_slice(line);
            }
            _ => {
                let mut parts = line.splitn(2, |byte| *byte == b':');
                let name = parts.next().unwrap_or_default().trim_ascii_end().to_vec();
                headers.extend(parts.next().map(|value| (name, value.to_vec())));
            }
        }
    }
    headers
}

/// Whether some parsers would end a line or a text within the head where [`head`] does not.
pub fn is_split_otherwise(message: &[u8]) -> bool {
    let begin = message.iter().position(|byte| !b"\r\n".contains(byte));
    let lines = message[begin.unwrap_or(0)..].split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut head = lines.take_while(|line| !line.is_empty());
    head.any(|line| line.iter().any(|byte| b"\r\0".contains(byte)))
}

/// The values of the headers with that name.
pub fn values<'a>(headers: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Vec<&'a [u8]> {
    let of = headers
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    of.map(|(_, value)| value.as_slice()).collect()
}

/// The same with one blank for each run of white space, and none at the ends.
pub fn plain(value: &[u8]) -> Vec<u8> {
    let words = value.split(|byte| b" \t\r\n".contains(byte));
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
    words.join(b" ".as_slice())
}
