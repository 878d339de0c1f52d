//! Bounded reading of bytes from strangers. The engine expands run-length columns, deflate streams and bloom probes
//! as far as the bytes say, so what they say is checked here first, without allocating by it.

use std::io::Read;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHUNK_CHANGE: u8 = 1;
const CHUNK_DEFLATED_CHANGE: u8 = 2;
/// A column id is `id << 4 | deflate << 3 | type`.
const COLUMN_DEFLATED: u64 = 8;
const ACTION_COLUMN: u64 = 4 << 4 | 2;
const ACTION_MARK: u64 = 7;
const MAX_MESSAGE_HAVES: u64 = 64;
const MAX_BLOOM_PROBES: u64 = 64;
const MAX_BLOOM_BITS_PER_ENTRY: u64 = 64;
const MAX_ACTOR_BYTES: u64 = 256;

#[derive(Clone, Copy)]
pub struct Limits {
    pub max_chunk_bytes: u64,
    pub max_inflated_bytes: u64,
    pub max_ops: u64,
}

#[derive(Debug)]
pub enum ScanError {
    Malformed(String),
    TooLarge(String),
}

type Scan<T> = Result<T, ScanError>;

fn malformed<T>(what: impl Into<String>) -> Scan<T> {
    Err(ScanError::Malformed(what.into()))
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: u64, what: &str) -> Scan<&'a [u8]> {
        if n > self.0.len() as u64 {
            return malformed(format!("{what} ends early"));
        }
        let (head, tail) = self.0.split_at(n as usize);
        self.0 = tail;
        Ok(head)
    }

    fn byte(&mut self, what: &str) -> Scan<u8> {
        Ok(self.take(1, what)?[0])
    }

    fn uleb(&mut self, what: &str) -> Scan<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(what)?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        malformed(format!("{what} is a number past 64 bits"))
    }

    fn sleb(&mut self, what: &str) -> Scan<i64> {
        let mut value = 0i64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(what)?;
            if shift == 63 && byte != 0 && byte != 0x7f {
                break;
            }
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if shift + 7 < 64 && byte & 0x40 != 0 {
                    value |= -1i64 << (shift + 7);
                }
                return Ok(value);
            }
        }
        malformed(format!("{what} is a number past 64 bits"))
    }

    /// A count of things that take at least `width` bytes each.
    fn count(&mut self, width: u64, what: &str) -> Scan<u64> {
        let n = self.uleb(what)?;
        if n > self.0.len() as u64 / width {
            return malformed(format!("{what} counts more than the bytes can hold"));
        }
        Ok(n)
    }

    fn hashes(&mut self, what: &str) -> Scan<()> {
        let n = self.count(32, what)?;
        self.take(n * 32, what).map(drop)
    }
}

/// Accepts exactly one change chunk, plain or deflated, whose columns stay within `limits`. Says how many rows the
/// longest of them has: so many operations the change makes.
pub fn check_change_chunk(chunk: &[u8], limits: &Limits) -> Scan<u64> {
    if chunk.len() as u64 > limits.max_chunk_bytes {
        return Err(ScanError::TooLarge(format!(
            "a change of {} bytes; {} are allowed",
            chunk.len(),
            limits.max_chunk_bytes
        )));
    }
    let mut input = Input(chunk);
    if input.take(4, "the chunk header")? != MAGIC {
        return malformed("not an Automerge chunk");
    }
    input.take(4, "the chunk header")?;
    let kind = input.byte("the chunk header")?;
    let length = input.uleb("the chunk length")?;
    if length != input.0.len() as u64 {
        return malformed("the chunk length does not match the bytes");
    }
    match kind {
        CHUNK_CHANGE => check_change_body(input.0, limits),
        CHUNK_DEFLATED_CHANGE => check_change_body(&inflate(input.0, limits)?, limits),
        other => malformed(format!("chunk type {other} is not a change")),
    }
}

fn inflate(data: &[u8], limits: &Limits) -> Scan<Vec<u8>> {
    let mut body = Vec::new();
    let mut reader = flate2::bufread::DeflateDecoder::new(data).take(limits.max_inflated_bytes + 1);
    if reader.read_to_end(&mut body).is_err() {
        return malformed("the deflated change does not inflate");
    }
    if body.len() as u64 > limits.max_inflated_bytes {
        return Err(ScanError::TooLarge(format!(
            "a change that inflates past {} bytes",
            limits.max_inflated_bytes
        )));
    }
    Ok(body)
}

fn check_change_body(body: &[u8], limits: &Limits) -> Scan<u64> {
    let mut input = Input(body);
    input.hashes("the dependencies")?;
    check_actor(&mut input)?;
    input.uleb("the sequence number")?;
    input.uleb("the first operation")?;
    input.sleb("the time")?;
    let message = input.uleb("the message length")?;
    input.take(message, "the message")?;
    let others = input.count(1, "the other actors")?;
    for _ in 0..others {
        check_actor(&mut input)?;
    }
    let column_count = input.count(2, "the columns")?;
    let mut columns = Vec::new();
    for _ in 0..column_count {
        let spec = input.uleb("a column")?;
        let length = input.uleb("a column")?;
        columns.push((spec, length));
    }
    let mut most = 0;
    for (spec, length) in columns {
        let data = input.take(length, "a column")?;
        if spec & COLUMN_DEFLATED != 0 {
            return malformed("a change with a deflated column");
        }
        let rows = match spec & 7 {
            2 if spec == ACTION_COLUMN => run_length_rows(data, &mut check_action, limits)?,
            0..=3 | 6 => run_length_rows(data, &mut |i| i.uleb("a column").map(drop), limits)?,
            5 => run_length_rows(data, &mut skip_string, limits)?,
            4 => boolean_rows(data, limits)?,
            _ => 0, // raw values: as long as their bytes
        };
        check_rows(rows, limits)?;
        most = most.max(rows);
    }
    Ok(most)
}

fn check_actor(input: &mut Input<'_>) -> Scan<()> {
    let n = input.uleb("an actor")?;
    if n > MAX_ACTOR_BYTES {
        return malformed("an actor of more than 256 bytes");
    }
    input.take(n, "an actor").map(drop)
}

/// Sources are plain text. Marks would take the fast path from everybody, and unpaired ones make a document that saves
/// but does not load.
fn check_action(input: &mut Input<'_>) -> Scan<()> {
    match input.uleb("a column")? {
        ACTION_MARK => malformed("a change that marks text, which notebooks do not have"),
        action if action > ACTION_MARK => malformed("a change with an unknown kind of operation"),
        _ => Ok(()),
    }
}

fn skip_string(input: &mut Input<'_>) -> Scan<()> {
    let n = input.uleb("a column")?;
    input.take(n, "a column").map(drop)
}

fn check_rows(rows: u64, limits: &Limits) -> Scan<()> {
    if rows > limits.max_ops {
        return Err(ScanError::TooLarge(format!(
            "a change of more than {} operations",
            limits.max_ops
        )));
    }
    Ok(())
}

/// Rows of a run-length column: positive counts repeat one value, negative ones precede literals, 0 precedes nulls.
fn run_length_rows(
    data: &[u8],
    skip_value: &mut dyn FnMut(&mut Input<'_>) -> Scan<()>,
    limits: &Limits,
) -> Scan<u64> {
    let mut input = Input(data);
    let mut rows = 0u64;
    while !input.0.is_empty() {
        let run = input.sleb("a column")?;
        if run > 0 {
            rows = rows.saturating_add(run as u64);
            skip_value(&mut input)?;
        } else if run == 0 {
            rows = rows.saturating_add(input.uleb("a column")?);
        } else {
            if run.unsigned_abs() > input.0.len() as u64 {
                return malformed("a column ends early");
            }
            rows = rows.saturating_add(run.unsigned_abs());
            for _ in 0..run.unsigned_abs() {
                skip_value(&mut input)?;
            }
        }
        check_rows(rows, limits)?;
    }
    Ok(rows)
}

fn boolean_rows(data: &[u8], limits: &Limits) -> Scan<u64> {
    let mut input = Input(data);
    let mut rows = 0u64;
    while !input.0.is_empty() {
        rows = rows.saturating_add(input.uleb("a column")?);
        check_rows(rows, limits)?;
    }
    Ok(rows)
}

/// Accepts a version 1 sync message whose filters cost no more to probe than ours do, each change checked as above.
pub fn check_sync_message<'a>(message: &'a [u8], limits: &Limits) -> Scan<Vec<&'a [u8]>> {
    let mut input = Input(message);
    match input.byte("the sync message")? {
        0x42 => {}
        0x43 => return malformed("a sync message of version 2, which was never offered"),
        _ => return malformed("not a sync message"),
    }
    input.hashes("the heads")?;
    input.hashes("the needs")?;
    let haves = input.count(2, "the haves")?;
    if haves > MAX_MESSAGE_HAVES {
        return Err(ScanError::TooLarge("a sync message with too many filters".into()));
    }
    for _ in 0..haves {
        input.hashes("the last sync")?;
        let length = input.uleb("a filter")?;
        check_bloom(input.take(length, "a filter")?)?;
    }
    let count = input.count(1, "the changes")?;
    let mut chunks = Vec::new();
    for _ in 0..count {
        let length = input.uleb("a change")?;
        let chunk = input.take(length, "a change")?;
        check_change_chunk(chunk, limits)?;
        chunks.push(chunk);
    }
    Ok(chunks)
}

fn check_bloom(bytes: &[u8]) -> Scan<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut input = Input(bytes);
    let entries = input.uleb("a filter")?;
    let bits_per_entry = input.uleb("a filter")?;
    let probes = input.uleb("a filter")?;
    if probes == 0 || probes > MAX_BLOOM_PROBES || bits_per_entry > MAX_BLOOM_BITS_PER_ENTRY {
        return malformed("a filter with unlikely parameters");
    }
    // The engine divides by the number of bits; an empty filter is written as no bytes at all.
    let bytes = entries.saturating_mul(bits_per_entry).div_ceil(8);
    if entries > 0 && (bits_per_entry == 0 || bytes != input.0.len() as u64) {
        return malformed("a filter whose bits do not fit its entries");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use automerge::transaction::Transactable;
    use automerge::AutoCommit;

    const LIMITS: Limits = Limits { max_chunk_bytes: 1 << 20, max_inflated_bytes: 1 << 20, max_ops: 10_000 };

    fn change(text: &str) -> Vec<u8> {
        let mut doc = AutoCommit::new();
        doc.put(automerge::ROOT, "k", text).unwrap();
        doc.commit();
        doc.get_last_local_change().unwrap().bytes().to_vec()
    }

    fn chunk(body: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, 0, 0, 0, CHUNK_CHANGE]);
        let mut n = body.len();
        while n >= 0x80 {
            bytes.push((n as u8 & 0x7f) | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn real_changes_pass_plain_and_deflated() {
        assert_eq!(check_change_chunk(&change("short"), &LIMITS).unwrap(), 1);
        let deflated = change(&"long ".repeat(1000));
        assert_eq!(deflated[8], CHUNK_DEFLATED_CHANGE);
        check_change_chunk(&deflated, &LIMITS).unwrap();
    }

    #[test]
    fn a_deflate_bomb_is_cut_off() {
        let bomb = change(&"0".repeat(2 << 20));
        assert!(bomb.len() < 1 << 16);
        assert!(matches!(check_change_chunk(&bomb, &LIMITS), Err(ScanError::TooLarge(_))));
    }

    #[test]
    fn a_run_length_bomb_is_refused() {
        // no deps, actor 1 byte, seq 1, start 1, time 0, no message, no others, one action column: 2^40 times 1
        let mut body = vec![0, 1, 7, 1, 1, 0, 0, 0, 1, 0x42, 7];
        body.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1]);
        assert!(matches!(check_change_chunk(&chunk(&body), &LIMITS), Err(ScanError::TooLarge(_))));
    }

    #[test]
    fn marks_are_refused() {
        let mut doc = AutoCommit::new();
        let text = doc.put_object(automerge::ROOT, "t", automerge::ObjType::Text).unwrap();
        doc.splice_text(&text, 0, 0, "abc").unwrap();
        let mark = automerge::marks::Mark::new("b".into(), true, 0, 2);
        doc.mark(&text, mark, automerge::marks::ExpandMark::None).unwrap();
        doc.commit();
        let change = doc.get_last_local_change().unwrap().raw_bytes().to_vec();
        assert!(matches!(check_change_chunk(&change, &LIMITS), Err(ScanError::Malformed(w)) if w.contains("marks")));
    }

    #[test]
    fn every_truncation_is_malformed() {
        let good = change("hello");
        for n in 0..good.len() {
            assert!(matches!(check_change_chunk(&good[..n], &LIMITS), Err(ScanError::Malformed(_))), "at {n}");
        }
    }

    #[test]
    fn a_filter_that_probes_forever_is_refused() {
        // no heads, no needs, one have: no last sync, filter of 1 entry, 10 bits, 2^31 probes
        let mut message = vec![0x42, 0, 0, 1, 0, 9, 1, 10];
        message.extend([0x80, 0x80, 0x80, 0x80, 0x08, 0xff, 0xff, 0]);
        assert!(matches!(check_sync_message(&message, &LIMITS), Err(ScanError::Malformed(_))));
    }

    #[test]
    fn a_filter_has_the_bits_its_entries_take() {
        let fits = |filter: &[u8]| {
            let mut message = vec![0x42, 0, 0, 1, 0, filter.len() as u8];
            message.extend(filter);
            message.push(0);
            check_sync_message(&message, &LIMITS).is_ok()
        };
        assert!(fits(&[]) && fits(&[1, 10, 7, 0xff, 0xff]) && fits(&[4, 10, 7, 1, 2, 3, 4, 5]));
        assert!(!fits(&[1, 0, 7]) && !fits(&[1, 0, 7, 0xff]));
        assert!(!fits(&[1, 10, 7]) && !fits(&[1, 10, 7, 0xff]) && !fits(&[1, 10, 7, 0xff, 0xff, 0xff]));
    }
}
