//! What it costs to replace a long text as a whole: in the writer's document, and in one that receives the change.
//!   rewrite [CHARACTERS]

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjType, ReadDoc, TextEncoding, ROOT};
use std::time::Instant;

fn text(size: usize, first: u8) -> String {
    (0..size).map(|i| (first + (i % 13) as u8) as char).collect()
}

fn main() {
    let size: usize = std::env::args().nth(1).map_or(1_000_000, |a| a.parse().expect("a number"));
    let mut writer = AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(vec![1; 16]));
    let source = writer.put_object(ROOT, "t", ObjType::Text).unwrap();
    let first = text(size, b'a');
    writer.splice_text(&source, 0, 0, &first).unwrap();
    writer.commit();
    writer.update_diff_cursor();
    let mut reader = AutoCommit::load_with_options(
        &writer.save(),
        automerge::LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint),
    )
    .unwrap();
    reader.update_diff_cursor();
    for round in 0..3u8 {
        let heads = writer.get_heads();
        let next = text(size, if round % 2 == 0 { b'n' } else { b'a' });
        let begun = Instant::now();
        let length = writer.length(&source);
        writer.splice_text(&source, 0, length as isize, &next).unwrap();
        let spliced = begun.elapsed();
        writer.commit();
        let committed = begun.elapsed();
        let patches = writer.diff_incremental().len();
        let told = begun.elapsed();
        let changes = writer.get_changes(&heads);
        println!("round {round}: splice {spliced:?}, committed {committed:?}, {patches} patches {told:?}, change {:?}", begun.elapsed());
        let begun = Instant::now();
        reader.apply_changes(changes).unwrap();
        let applied = begun.elapsed();
        let patches = reader.diff_incremental().len();
        println!("         applied {applied:?}, {patches} patches {:?}", begun.elapsed());
        assert_eq!(reader.text(&source).unwrap(), next);
    }
    let begun = Instant::now();
    println!("save {} bytes {:?}", reader.save().len(), begun.elapsed());
}
