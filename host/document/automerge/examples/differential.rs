//! Differential fuzz of the fast path: several actors edit one text, another text, a list and a map at once; a reader
//! applies their changes singly and in small groups, keeps a mirror of the text by patches alone, and hashes every
//! patch and every saved byte; some transactions are rolled back. A stock and a patched build must print the same digest for the same seeds.
//!   differential SEEDS [FIRST_SEED]

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, PatchAction, ReadDoc, TextEncoding, ROOT};
use std::hash::{DefaultHasher, Hash, Hasher};

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

struct Objects {
    text: ObjId,
    other: ObjId,
    list: ObjId,
}

fn load(bytes: &[u8]) -> AutoCommit {
    let options = automerge::LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint);
    AutoCommit::load_with_options(bytes, options).unwrap()
}

fn edit(doc: &mut AutoCommit, o: &Objects, r: &mut Rng, marks: bool) {
    let n = doc.length(&o.text);
    match r.below(15) {
        0..=4 => {
            let text = ["a", "bc", "x😀y", "\n"][r.below(4)];
            doc.splice_text(&o.text, r.below(n + 1), 0, text).unwrap();
        }
        5..=6 if n > 0 => {
            let at = r.below(n);
            let count = 1 + r.below(3.min(n - at));
            doc.splice_text(&o.text, at, count as isize, ["", "Z"][r.below(2)]).unwrap();
        }
        7 => {
            let at = r.below(doc.length(&o.other) + 1);
            doc.splice_text(&o.other, at, 0, "qq").unwrap();
        }
        8 => doc.insert(&o.list, r.below(doc.length(&o.list) + 1), r.below(100) as i64).unwrap(),
        9 if doc.length(&o.list) > 0 => {
            let at = r.below(doc.length(&o.list));
            if r.below(2) == 0 {
                doc.put(&o.list, at, r.below(100) as i64).unwrap()
            } else {
                doc.delete(&o.list, at).unwrap()
            }
        }
        10 => doc.put(ROOT, "k", r.below(5) as i64).unwrap(),
        11 => doc.splice_text(&o.text, r.below(n + 1), 0, &"paste ".repeat(1 + r.below(8))).unwrap(),
        12 if marks && n > 2 => {
            let start = r.below(n - 1);
            let end = start + 1 + r.below(n - start - 1);
            doc.mark(&o.text, Mark::new("b".into(), true, start, end), ExpandMark::After).unwrap();
        }
        13 => doc.splice_text(&o.text, r.below(n + 1), 0, &"0123456789 é😀".repeat(2 + r.below(12))).unwrap(),
        14 if n > 8 => {
            let at = r.below(n - 8);
            let count = 8 + r.below(n - at - 7);
            doc.splice_text(&o.text, at, count as isize, ["", "instead"][r.below(2)]).unwrap();
        }
        _ => {}
    }
}

fn run(seed: u64, marks: bool, digest: &mut DefaultHasher) -> u64 {
    let mut r = Rng(seed.wrapping_mul(7919).wrapping_add(13) | 1);
    let mut base = AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(vec![1; 16]));
    let objects = Objects {
        text: base.put_object(ROOT, "t", ObjType::Text).unwrap(),
        other: base.put_object(ROOT, "t2", ObjType::Text).unwrap(),
        list: base.put_object(ROOT, "l", ObjType::List).unwrap(),
    };
    base.splice_text(&objects.text, 0, 0, "héllo 😀 world").unwrap();
    base.commit();
    let bytes = base.save();
    let mut writers: Vec<AutoCommit> = (0..4u8)
        .map(|i| load(&bytes).with_actor(ActorId::from(vec![(r.below(250) + 2) as u8, i])))
        .collect();
    let mut reader = load(&bytes);
    reader.update_diff_cursor();
    let mut mirror: Vec<char> = reader.text(&objects.text).unwrap().chars().collect();
    let mut applied = 0;
    for _ in 0..60 {
        let i = r.below(4);
        for _ in 0..1 + r.below(4) {
            edit(&mut writers[i], &objects, &mut r, marks);
        }
        if r.below(8) == 0 {
            writers[i].rollback();
        }
        writers[i].commit();
        if r.below(3) == 0 {
            let j = r.below(4);
            if i != j {
                let mut other = writers[j].clone();
                writers[i].merge(&mut other).unwrap();
            }
        }
        if r.below(2) == 0 {
            let mut from = writers[r.below(4)].clone();
            let changes = reader.get_changes_added(&mut from);
            for group in changes.chunks(1 + r.below(3)) {
                applied += group.len() as u64;
                reader.apply_changes(group.to_vec()).unwrap();
                for patch in reader.diff_incremental() {
                    format!("{patch:?}").hash(digest);
                    if patch.obj != objects.text {
                        continue;
                    }
                    match patch.action {
                        PatchAction::SpliceText { index, value, .. } => {
                            mirror.splice(index..index, value.make_string().chars());
                        }
                        PatchAction::DeleteSeq { index, length } => drop(mirror.drain(index..index + length)),
                        _ => {}
                    }
                }
                assert_eq!(String::from_iter(&mirror), reader.text(&objects.text).unwrap(), "seed {seed}");
            }
        }
    }
    settle(&mut writers, &mut reader, &objects, digest);
    applied
}

/// Everybody gets everything: all must agree, also after a reload.
fn settle(writers: &mut [AutoCommit], reader: &mut AutoCommit, o: &Objects, digest: &mut DefaultHasher) {
    for writer in writers.iter() {
        reader.merge(&mut writer.clone()).unwrap();
    }
    let saved = reader.save();
    saved.hash(digest);
    assert_eq!(load(&saved).text(&o.text).unwrap(), reader.text(&o.text).unwrap());
    let mut heads = reader.get_heads();
    heads.sort();
    for writer in writers {
        writer.save().hash(digest);
        writer.merge(&mut reader.clone()).unwrap();
        writer.save().hash(digest);
        let mut theirs = writer.get_heads();
        theirs.sort();
        assert_eq!(heads, theirs);
        assert!(writer.hydrate(&ROOT, None).unwrap() == reader.hydrate(&ROOT, None).unwrap());
    }
}

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().expect("a number"));
    let seeds = args.next().unwrap_or(100);
    let first = args.next().unwrap_or(1);
    for marks in [false, true] {
        let mut digest = DefaultHasher::new();
        let applied: u64 = (first..first + seeds).map(|seed| run(seed, marks, &mut digest)).sum();
        println!("seeds {first}+{seeds} marks {marks} applied {applied} digest {:016x}", digest.finish());
    }
}
