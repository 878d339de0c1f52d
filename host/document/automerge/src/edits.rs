//! Own edits across the C line.

use std::ffi::c_void;

use crate::ffi::*;

/// # Safety
/// Pointers are valid or, for `error`, NULL; `heads` holds `count`.
#[no_mangle]
pub unsafe extern "C" fn lam_begin(
    doc: *mut Doc,
    actor: Slice,
    heads: *const Hash,
    count: u64,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| n.begin(actor.bytes(), &hashes(heads, count)))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_create_cell(doc: *mut Doc, cell: *const CellView, error: *mut Buffer) -> i32 {
    with(doc, error, |n| n.create_cell(&(*cell).cell()?))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_delete_cell(doc: *mut Doc, cell_id: Slice, error: *mut Buffer) -> i32 {
    with(doc, error, |n| n.delete_cell(cell_id.text()?))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_set_field(
    doc: *mut Doc,
    cell_id: Slice,
    key: Slice,
    value: Slice,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| n.set_field(cell_id.text()?, key.text()?, value.text()?))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_splice_source(
    doc: *mut Doc,
    cell_id: Slice,
    index: u64,
    delete_count: u64,
    insert: Slice,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| n.splice_source(cell_id.text()?, index, delete_count, insert.text()?))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL; `path` holds `path_count`.
#[no_mangle]
pub unsafe extern "C" fn lam_set_metadata(
    doc: *mut Doc,
    cell_id: Slice,
    path: *const Slice,
    path_count: u64,
    value: Slice,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        let path: Result<Vec<&str>, _> = slices(path, path_count).iter().map(|s| s.text()).collect();
        let value = if value.data.is_null() { None } else { Some(value.bytes()) };
        n.set_metadata(cell_id.text()?, &path?, value)
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL; `path` holds `path_count`.
#[no_mangle]
pub unsafe extern "C" fn lam_set_model(
    doc: *mut Doc,
    path: *const Slice,
    path_count: u64,
    value: Slice,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        let path: Result<Vec<&str>, _> = slices(path, path_count).iter().map(|s| s.text()).collect();
        let value = if value.data.is_null() { None } else { Some(value.bytes()) };
        n.set_model(&path?, value)
    })
}

/// # Safety
/// Pointers are valid or, for `error` and `patches`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_commit(
    doc: *mut Doc,
    message: Slice,
    chunk: ChunkSink,
    patches: Option<PatchSink>,
    context: *mut c_void,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        let (transaction, change) = n.commit(message.text()?)?;
        if patches.is_some() {
            deliver(n.transaction_events(&transaction), patches, context);
        } else {
            n.let_log_go();
        }
        if let Some(mut change) = change {
            let hash = Hash { bytes: change.hash().0 };
            chunk(context, &hash, Slice::of(&change.bytes()));
        }
        Ok(())
    })
}

/// # Safety
/// `doc` is valid.
#[no_mangle]
pub unsafe extern "C" fn lam_rollback(doc: *mut Doc) -> i32 {
    with(doc, std::ptr::null_mut(), |n| {
        n.rollback();
        n.am.update_diff_cursor();
        Ok(())
    })
}
