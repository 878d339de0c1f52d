//! Through the C face only, as the host uses it.

use super::*;
use crate::edits::*;
use crate::syncing::*;
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ExpandedChange, ObjType, ReadDoc, TextEncoding, ROOT};
use std::ptr::{null, null_mut};

const LIMITS: LimitsView = LimitsView { max_chunk_bytes: 1 << 24, max_inflated_bytes: 1 << 26, max_ops: 1 << 22 };

struct Handle(*mut Doc);
impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { lam_free(self.0) }
    }
}

#[derive(Default)]
struct Seen {
    events: Vec<String>,
    chunks: Vec<(String, Vec<u8>)>,
}

fn s(text: &str) -> Slice {
    Slice::of(text.as_bytes())
}

fn empty() -> Buffer {
    unsafe { std::mem::zeroed() }
}

fn take(mut buffer: Buffer) -> Vec<u8> {
    unsafe {
        let view: &Slice = &*(&buffer as *const Buffer).cast();
        let bytes = view.bytes().to_vec();
        lam_buffer_free(&mut buffer);
        bytes
    }
}

unsafe extern "C" fn on_patch(context: *mut c_void, patch: *const PatchView) {
    let (seen, p) = (&mut *(context as *mut Seen), &*patch);
    let t = |slice: Slice| slice.text().unwrap();
    seen.events.push(match p.kind {
        1 => {
            let c = (*p.cell).cell().unwrap();
            format!("put {} {} {} {:?} {} {} {}", c.id, c.cell_type, c.position, c.source, c.execution_count, c.metadata, c.attachments)
        }
        3 => format!("splice {} {} {} {:?}", t(p.cell_id), p.index, p.delete_count, t(p.text)),
        6 if p.text.data.is_null() => format!("metadata {:?} {} gone", t(p.cell_id), t(p.key)),
        kind => format!("{kind} {:?} {} {}", t(p.cell_id), t(p.key), t(p.text)),
    });
}

unsafe extern "C" fn on_chunk(context: *mut c_void, hash: *const Hash, bytes: Slice) {
    let name = if hash.is_null() { String::new() } else { ChangeHash((*hash).bytes).to_string() };
    (*(context as *mut Seen)).chunks.push((name, bytes.bytes().to_vec()));
}

fn new_doc() -> Handle {
    unsafe { Handle(lam_new(null_mut())) }
}

fn heads(doc: &Handle) -> Vec<ChangeHash> {
    let mut out = empty();
    assert_eq!(unsafe { lam_heads(doc.0, &mut out, null_mut()) }, 0);
    take(out).chunks(32).map(|h| ChangeHash(h.try_into().unwrap())).collect()
}

fn raw(heads: &[ChangeHash]) -> Vec<Hash> {
    heads.iter().map(|h| Hash { bytes: h.0 }).collect()
}

fn edit(doc: &Handle, actor: u8, at: &[ChangeHash], f: impl FnOnce(*mut Doc)) -> Seen {
    let mut seen = Seen::default();
    let at = raw(at);
    unsafe {
        assert_eq!(lam_begin(doc.0, Slice::of(&[actor; 16]), at.as_ptr(), at.len() as u64, null_mut()), 0);
        f(doc.0);
        let context = &mut seen as *mut Seen as *mut c_void;
        assert_eq!(lam_commit(doc.0, s(""), on_chunk, Some(on_patch), context, null_mut()), 0);
    }
    seen
}

fn create(doc: *mut Doc, id: &str, position: &str, source: &str) {
    let cell = CellView {
        id: s(id),
        cell_type: s("code"),
        position: s(position),
        source: s(source),
        execution_count: s("null"),
        metadata: s("{\"tags\":[1]}"),
        resolved_assets: s("{}"),
        attachments: s("{}"),
    };
    assert_eq!(unsafe { lam_create_cell(doc, &cell, null_mut()) }, 0);
}

fn splice(doc: *mut Doc, id: &str, index: u64, delete: u64, text: &str) -> i32 {
    unsafe { lam_splice_source(doc, s(id), index, delete, s(text), null_mut()) }
}

fn apply(doc: &Handle, chunks: &[Vec<u8>]) -> (i32, Seen, String) {
    let slices: Vec<Slice> = chunks.iter().map(|c| Slice::of(c)).collect();
    let (mut seen, mut error) = (Seen::default(), empty());
    let context = &mut seen as *mut Seen as *mut c_void;
    unsafe extern "C" fn ignore(_: *mut c_void, _: *const InfoView) {}
    let mut changes: *mut Changes = null_mut();
    let code = unsafe {
        match lam_changes_read(slices.as_ptr(), slices.len() as u64, &LIMITS, ignore, null_mut(), &mut changes, &mut error) {
            0 => lam_apply(doc.0, changes, 1, Some(on_chunk), Some(on_patch), context, &mut error),
            refused => refused,
        }
    };
    unsafe { lam_changes_free(changes) };
    (code, seen, String::from_utf8(take(error)).unwrap())
}

fn save(doc: &Handle) -> Vec<u8> {
    let mut out = empty();
    assert_eq!(unsafe { lam_save(doc.0, &mut out, null_mut()) }, 0);
    take(out)
}

fn source(doc: &Handle, id: &str) -> String {
    unsafe { (*doc.0).notebook.as_ref().unwrap().read_source(id).unwrap() }
}

#[test]
fn the_first_change_is_nteracts() {
    let doc = new_doc();
    assert_eq!(heads(&doc)[0].to_string(), "5cb837a3e10c24a4107f4bf04260c35621ad8f003ec7fbcbe63407028a22f33b");
    let mut hash = Hash { bytes: [0; 32] };
    unsafe { lam_genesis_hash(&mut hash) };
    assert_eq!(unsafe { lam_contains(doc.0, &hash) }, 0);
    hash.bytes[0] ^= 1;
    assert_eq!(unsafe { lam_contains(doc.0, &hash) }, 4);
}

#[test]
fn cells_are_made_as_nteract_makes_them() {
    let doc = new_doc();
    edit(&doc, 1, &[], |d| create(d, "a", "80", "x=1"));
    let am = AutoCommit::load(&save(&doc)).unwrap();
    let cells = am.get(ROOT, "cells").unwrap().unwrap().1;
    let cell = am.get(&cells, "a").unwrap().unwrap().1;
    let text = |key: &str| am.get(&cell, key).unwrap().unwrap().0.as_str().unwrap().to_string();
    assert_eq!((text("id"), text("cell_type"), text("position"), text("execution_count")), ("a".into(), "code".into(), "80".into(), "null".into()));
    let kind = |key: &str| am.object_type(am.get(&cell, key).unwrap().unwrap().1).unwrap();
    assert_eq!(kind("source"), ObjType::Text);
    assert_eq!((kind("metadata"), kind("resolved_assets"), kind("attachments")), (ObjType::Map, ObjType::Map, ObjType::Map));
}

#[test]
fn edits_travel_as_chunks_and_arrive_as_the_same_events() {
    let (a, b) = (new_doc(), new_doc());
    let made = edit(&a, 1, &[], |d| {
        create(d, "two", "C0", "");
        create(d, "one", "80", "h😀y");
    });
    assert_eq!(made.chunks.len(), 1);
    assert_eq!(made.events, ["put one code 80 \"h😀y\" null {\"tags\":[1]} {}", "put two code C0 \"\" null {\"tags\":[1]} {}"]);
    assert_eq!(apply(&b, &[made.chunks[0].1.clone()]).1.events, made.events);

    let edited = edit(&a, 1, &[], |d| unsafe {
        assert_eq!(splice(d, "one", 2, 1, "🎈!"), 0);
        assert_eq!(splice(d, "one", 5, 0, ""), 5);
        assert_eq!(lam_set_field(d, s("two"), s("position"), s("40"), null_mut()), 0);
        assert_eq!(lam_set_metadata(d, s("two"), [s("a"), s("b")].as_ptr(), 2, s("1.5"), null_mut()), 0);
        assert_eq!(lam_set_metadata(d, s("two"), [s("tags")].as_ptr(), 1, Slice::NONE, null_mut()), 0);
        assert_eq!(lam_set_metadata(d, s(""), [s("k")].as_ptr(), 1, s("[null]"), null_mut()), 0);
    });
    let expected = [
        "splice one 2 1 \"🎈!\"",
        "5 \"two\" position 40",
        "6 \"\" k [null]",
        "6 \"two\" a {\"b\":1.5}",
        "metadata \"two\" tags gone",
    ];
    assert_eq!(edited.events, expected);
    assert_eq!(apply(&b, &[edited.chunks[0].1.clone()]).1.events, expected);
    assert_eq!(heads(&a), heads(&b));
    assert_eq!(source(&b, "one"), "h😀🎈!");

    let gone = edit(&a, 1, &[], |d| unsafe { assert_eq!(lam_delete_cell(d, s("one"), null_mut()), 0) });
    assert_eq!(apply(&b, &[gone.chunks[0].1.clone()]).1.events, ["2 \"one\"  "]);
}

#[test]
fn an_edit_at_earlier_heads_merges_with_what_came_since() {
    let doc = new_doc();
    edit(&doc, 1, &[], |d| create(d, "a", "80", "hello world"));
    let base = heads(&doc);
    edit(&doc, 1, &[], |d| assert_eq!(splice(d, "a", 0, 0, "😀 oh "), 0));
    let late = edit(&doc, 1, &base, |d| {
        assert_eq!(splice(d, "a", 5, 6, ""), 0);
        assert_eq!(splice(d, "a", 5, 0, "!"), 0);
        assert_eq!(splice(d, "a", 7, 0, "?"), 5);
    });
    assert_eq!(late.chunks.len(), 1);
    assert_eq!(source(&doc, "a"), "😀 oh hello!");
    assert_eq!(late.events, ["splice a 10 6 \"!\""]);
    assert_eq!(heads(&doc).len(), 2);
    let again = Handle(unsafe { lam_load(Slice::of(&save(&doc)), null_mut()) });
    assert_eq!(heads(&again), heads(&doc));
}

#[test]
fn nothing_edited_makes_no_change_and_rollback_leaves_none() {
    let doc = new_doc();
    let before = heads(&doc);
    assert!(edit(&doc, 1, &[], |_| {}).chunks.is_empty());
    unsafe {
        assert_eq!(lam_begin(doc.0, Slice::of(&[1; 16]), std::ptr::null(), 0, null_mut()), 0);
        create(doc.0, "a", "80", "x");
        assert_eq!(lam_rollback(doc.0), 0);
        assert_eq!(lam_delete_cell(doc.0, s("a"), null_mut()), 6);
    }
    assert_eq!(heads(&doc), before);
}

#[test]
fn missing_dependencies_are_named_and_nothing_is_queued() {
    let (a, b) = (new_doc(), new_doc());
    let first = edit(&a, 1, &[], |d| create(d, "a", "80", "x"));
    let second = edit(&a, 1, &[], |d| assert_eq!(splice(d, "a", 1, 0, "y"), 0));
    let (code, seen, _) = apply(&b, &[second.chunks[0].1.clone()]);
    assert_eq!((code, &seen.chunks[0].0), (3, &first.chunks[0].0));
    assert_eq!(apply(&b, &[first.chunks[0].1.clone()]).0, 0);
    assert_eq!(source(&b, "a"), "x");
    // out of order inside one batch, and with a chunk that is known already
    let c = new_doc();
    let batch = [second.chunks[0].1.clone(), first.chunks[0].1.clone(), first.chunks[0].1.clone()];
    assert_eq!(apply(&c, &batch).0, 0);
    assert_eq!(source(&c, "a"), "xy");
}

/// A change of `actor` that says `change`'s operations with other dependencies and another sequence number.
fn forge(chunk: &[u8], f: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut expanded = Change::from_bytes(chunk.to_vec()).unwrap().decode();
    expanded.hash = None;
    f(&mut expanded);
    Change::from(expanded).bytes().to_vec()
}

#[test]
fn a_panic_in_the_engine_is_contained_and_poisons_only_its_document() {
    let a = new_doc();
    edit(&a, 1, &[], |d| create(d, "a", "80", "x"));
    let typed = edit(&a, 2, &[], |d| assert_eq!(splice(d, "a", 1, 0, "y"), 0));
    let genesis = ChangeHash(notebook::GENESIS_HASH);
    let orphan = forge(&typed.chunks[0].1, |c| c.deps = vec![genesis]);

    let b = new_doc();
    let (code, _, error) = apply(&b, &[orphan]);
    assert!(code == 7 || code == 8, "{code} {error}");
    let mut out = empty();
    assert_eq!(unsafe { lam_save(b.0, &mut out, null_mut()) }, 9);
    assert_eq!(unsafe { lam_begin(b.0, s("x"), std::ptr::null(), 0, null_mut()) }, 9);
    assert_eq!(source(&a, "a"), "xy");
    edit(&a, 2, &[], |d| assert_eq!(splice(d, "a", 0, 0, "z"), 0));
}

#[test]
fn what_the_engine_takes_on_trust_is_checked() {
    let a = new_doc();
    edit(&a, 1, &[], |d| create(d, "a", "80", "x"));
    let typed = edit(&a, 2, &[], |d| assert_eq!(splice(d, "a", 1, 0, "yyyy"), 0)).chunks[0].1.clone();
    let head = heads(&a);
    let refuse = |chunk: Vec<u8>, words: &str| {
        let (code, _, error) = apply(&a, &[chunk]);
        assert_eq!(code, 1, "{error}");
        assert!(error.contains(words), "{error}");
    };
    refuse(forge(&typed, |c| { c.message = Some("other".into()) }), "sequence number 1 where 2");
    refuse(forge(&typed, |c| { c.seq = 9; c.deps = head.clone() }), "sequence number 9");
    refuse(forge(&typed, |c| { c.seq = 2; c.deps = head.clone() }), "second time");
    refuse(forge(&typed, |c| { c.seq = 2; c.deps = head.clone(); c.start_op = (1u64 << 22).try_into().unwrap() }), "too far ahead");
    refuse(forge(&typed, |c| { c.seq = 2; c.start_op = (1u64 << 31).try_into().unwrap() }), "out of range");
    let mut bad = typed.clone();
    *bad.last_mut().unwrap() ^= 1;
    refuse(bad, "");
    assert_eq!(source(&a, "a"), "xyyyy");
    assert_eq!(heads(&a), head);
}

#[test]
fn only_notebooks_load() {
    let mut am = AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(vec![1; 16]));
    am.put(ROOT, "x", 1).unwrap();
    for bytes in [am.save(), b"junk".to_vec(), Vec::new()] {
        let mut error = empty();
        assert!(unsafe { lam_load(Slice::of(&bytes), &mut error) }.is_null());
        assert!(!take(error).is_empty());
    }
}

#[test]
fn two_documents_sync_and_unknown_changes_are_left_out() {
    let (a, b) = (new_doc(), new_doc());
    edit(&a, 1, &[], |d| create(d, "a", "80", "from a"));
    edit(&b, 2, &[], |d| create(d, "b", "C0", "from b"));
    let (mine, theirs) = unsafe { (&mut *lam_sync_new(), &mut *lam_sync_new()) };
    let step = |from: &Handle, state: &mut Sync, to: &Handle, other: &mut Sync| unsafe {
        let mut out = empty();
        assert_eq!(lam_sync_generate(from.0, state, null(), 0, null(), 0, &mut out, null_mut()), 0);
        let message = take(out);
        if message.is_empty() {
            return false;
        }
        let mut seen = Seen::default();
        let context = &mut seen as *mut Seen as *mut c_void;
        assert_eq!(lam_sync_changes(Slice::of(&message), &LIMITS, on_chunk, context, null_mut()), 0);
        let chunks: Vec<Vec<u8>> = seen.chunks.into_iter().map(|c| c.1).collect();
        let (code, _, error) = apply(to, &chunks);
        assert_eq!(code, 0, "{error}");
        assert_eq!(lam_sync_receive(to.0, other, Slice::of(&message), &LIMITS, null_mut()), 0);
        true
    };
    for _ in 0..20 {
        let said = step(&a, mine, &b, theirs);
        if !(step(&b, theirs, &a, mine) || said) {
            break;
        }
    }
    assert_eq!(heads(&a), heads(&b));
    assert_eq!((source(&a, "b"), source(&b, "a")), ("from b".into(), "from a".into()));
    unsafe {
        lam_sync_free(mine);
        lam_sync_free(theirs);
        assert_eq!(lam_sync_receive(a.0, lam_sync_new(), s("\x43nonsense"), &LIMITS, null_mut()), 1);
    }
}

#[test]
fn inspection_says_what_a_change_is() {
    type Info = (Vec<u8>, u64, u64, u64);
    unsafe extern "C" fn on_info(context: *mut c_void, info: *const InfoView) {
        let i = &*info;
        *(context as *mut Info) = (i.actor.bytes().to_vec(), i.seq, i.op_count, i.dep_count);
    }
    let a = new_doc();
    edit(&a, 7, &[], |d| create(d, "a", "80", ""));
    let chunk = edit(&a, 7, &[], |d| assert_eq!(splice(d, "a", 0, 0, "abc"), 0)).chunks[0].1.clone();
    let mut info: Info = (Vec::new(), 0, 0, 0);
    let context = &mut info as *mut _ as *mut c_void;
    unsafe {
        assert_eq!(lam_inspect(Slice::of(&chunk), &LIMITS, on_info, context, null_mut()), 0);
        assert_eq!(info, (vec![7; 16], 2, 3, 1));
        let small = LimitsView { max_ops: 2, ..LIMITS };
        assert_eq!(lam_inspect(Slice::of(&chunk), &small, on_info, context, null_mut()), 2);
        assert_eq!(lam_inspect(s("junk"), &LIMITS, on_info, context, null_mut()), 1);
    }
}

/// `chunk` with some bytes of its body changed and the checksum made right again, so that the decoder believes it.
fn mutated(chunk: &[u8], random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    use sha2::Digest;
    let body_at = 9 + chunk[9..].iter().position(|b| b & 0x80 == 0).unwrap() + 1;
    let mut body = chunk[body_at..].to_vec();
    for _ in 0..1 + random(4) {
        let at = random(body.len());
        match random(4) {
            0 => body[at] = random(256) as u8,
            1 => body[at] ^= 1 << random(8),
            2 => body.insert(at, random(256) as u8),
            _ => drop(body.remove(at)),
        }
    }
    let mut hashed = vec![chunk[8]];
    let mut n = body.len();
    while n >= 0x80 {
        hashed.push(n as u8 | 0x80);
        n >>= 7;
    }
    hashed.push(n as u8);
    hashed.extend(body);
    let sum = sha2::Sha256::digest(&hashed);
    [&chunk[..4], &sum[..4], &hashed].concat()
}

/// Whatever a change says, it is refused or applied; nothing hangs, and nothing gets past the C line. LAM_SEEDS=n for
/// more than the quick run.
#[test]
fn mutated_changes_never_escape() {
    let author = new_doc();
    edit(&author, 1, &[], |d| create(d, "a", "80", "some text"));
    let base = save(&author);
    let chunk = edit(&author, 2, &[], |d| unsafe {
        assert_eq!(splice(d, "a", 4, 2, "é😀"), 0);
        create(d, "b", "C0", "x");
        assert_eq!(lam_set_metadata(d, s("a"), [s("k")].as_ptr(), 1, s("[1,{\"x\":null}]"), null_mut()), 0);
        assert_eq!(lam_set_field(d, s("a"), s("position"), s("40"), null_mut()), 0);
    });
    let chunk = Change::from_bytes(chunk.chunks[0].1.clone()).unwrap().raw_bytes().to_vec();
    assert_eq!(chunk[8], 1, "an uncompressed change");
    let seeds: u64 = std::env::var("LAM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let load = || Handle(unsafe { lam_load(Slice::of(&base), null_mut()) });
    let (mut doc, mut outcomes) = (load(), std::collections::BTreeMap::new());
    for seed in 1..=seeds {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % n.max(1)
        };
        let bad = mutated(&chunk, &mut random);
        let (code, _, _) = apply(&doc, &[bad]);
        *outcomes.entry(code).or_insert(0u64) += 1;
        if code == 0 {
            let again = Handle(unsafe { lam_load(Slice::of(&save(&doc)), null_mut()) });
            assert!(!again.0.is_null(), "seed {seed}: what was applied does not load again");
        }
        if code == 0 || code == 7 || code == 8 {
            doc = load();
        }
    }
    assert!(outcomes.contains_key(&0) && outcomes.contains_key(&1), "{outcomes:?}");
}

/// The models document begins with nteract's frozen change; sets and removals come out as changes another replica takes.
#[test]
fn models_document_is_written_by_paths() {
    let doc = Handle(unsafe { lam_models_new(null_mut()) });
    assert!(!doc.0.is_null());
    let start = heads(&doc);
    assert_eq!(start[0].to_string(), "59e6107683328412635b4c868124e9c4014704de086aef822a58c07d85153a57");
    let set = |d: *mut Doc, path: &[&str], value: Option<&str>| {
        let path: Vec<Slice> = path.iter().map(|p| s(p)).collect();
        unsafe { lam_set_model(d, path.as_ptr(), path.len() as u64, value.map_or(Slice::NONE, s), null_mut()) }
    };
    let mut replica = AutoCommit::load(&save(&doc)).unwrap();
    let seen = edit(&doc, 7, &[], |d| {
        assert_eq!(set(d, &["m1"], Some(r#"{"seq":1,"state":{}}"#)), 0);
        assert_eq!(set(d, &["m1", "state", "value"], Some("[3,{\"$blob\":\"aa\"}]")), 0);
        assert_eq!(set(d, &["m2"], Some("{}")), 0);
        assert_eq!(set(d, &["m2"], None), 0);
        assert_eq!(set(d, &["m3"], None), 0);
        assert_eq!(set(d, &["m1", "state", "deep"], Some(&("[".repeat(70) + &"]".repeat(70)))), 1);
        assert_eq!(set(d, &[], Some("1")), 6);
    });
    assert_eq!(seen.chunks.len(), 1);
    replica.load_incremental(&seen.chunks[0].1).unwrap();
    let mut text = String::new();
    json::read(&replica, &ROOT, ObjType::Map, 0, &mut text);
    assert!(text.contains(r#""value":[3,{"$blob":"aa"}]"#) && !text.contains("m2"), "{text}");
    assert_eq!(splice(doc.0, "m1", 0, 0, "x"), 6, "there is no transaction");
}
