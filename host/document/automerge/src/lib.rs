//! The C face of the document engine. `include/lectern_automerge.h` is the contract; this file only crosses it:
//! pointers in, panics caught, buffers and sinks out. Everything else is in the modules.

mod changes;
mod edits;
mod ffi;
mod history;
mod json;
mod notebook;
mod patches;
mod scan;
mod syncing;

use automerge::{Change, ChangeHash};
use ffi::*;
use notebook::{Failure, Notebook};
use std::ffi::c_void;

/// # Safety
/// `buffer` is NULL or points to a buffer this library filled or that is all zero.
#[no_mangle]
pub unsafe extern "C" fn lam_buffer_free(buffer: *mut Buffer) {
    if let Some(buffer) = buffer.as_mut() {
        buffer.release();
    }
}

fn boxed(made: Result<Notebook, Failure>, error: *mut Buffer) -> *mut Doc {
    match made {
        Ok(notebook) => Box::into_raw(Box::new(Doc { notebook: Some(notebook) })),
        Err(failure) => {
            unsafe { report(error, failure) };
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// `error` is NULL or a valid buffer.
#[no_mangle]
pub unsafe extern "C" fn lam_new(error: *mut Buffer) -> *mut Doc {
    boxed(contain(Notebook::new), error)
}

/// # Safety
/// `error` is NULL or a valid buffer.
#[no_mangle]
pub unsafe extern "C" fn lam_models_new(error: *mut Buffer) -> *mut Doc {
    boxed(contain(Notebook::models), error)
}

/// # Safety
/// `bytes` is valid; `error` is NULL or a valid buffer.
#[no_mangle]
pub unsafe extern "C" fn lam_load(bytes: Slice, error: *mut Buffer) -> *mut Doc {
    boxed(contain(|| Notebook::load(bytes.bytes())), error)
}

/// # Safety
/// `doc` is NULL or came from `lam_new` or `lam_load` and is not used again.
#[no_mangle]
pub unsafe extern "C" fn lam_free(doc: *mut Doc) {
    if !doc.is_null() {
        let doc = Box::from_raw(doc);
        let _ = contain(move || {
            drop(doc);
            Ok(())
        });
    }
}

/// # Safety
/// `out` is valid.
#[no_mangle]
pub unsafe extern "C" fn lam_genesis_hash(out: *mut Hash) {
    *out = Hash { bytes: notebook::GENESIS_HASH };
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_save(doc: *mut Doc, out: *mut Buffer, error: *mut Buffer) -> i32 {
    with(doc, error, |n| {
        (*out).fill(n.am.save());
        Ok(())
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_heads(doc: *mut Doc, out: *mut Buffer, error: *mut Buffer) -> i32 {
    with(doc, error, |n| {
        (*out).fill(n.heads().iter().flat_map(|h| h.0).collect());
        Ok(())
    })
}

/// # Safety
/// `doc` is valid.
#[no_mangle]
pub unsafe extern "C" fn lam_operations(doc: *mut Doc) -> u64 {
    (*doc).notebook.as_ref().map_or(0, |n| n.max_op)
}

/// # Safety
/// Pointers are valid.
#[no_mangle]
pub unsafe extern "C" fn lam_contains(doc: *mut Doc, hash: *const Hash) -> i32 {
    with(doc, std::ptr::null_mut(), |n| {
        if n.contains(&ChangeHash((*hash).bytes)) {
            Ok(())
        } else {
            Err(Failure::NotFound(String::new()))
        }
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL; `heads` holds `count`.
#[no_mangle]
pub unsafe extern "C" fn lam_changes_since(
    doc: *mut Doc,
    heads: *const Hash,
    count: u64,
    sink: ChunkSink,
    context: *mut c_void,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        let heads = hashes(heads, count);
        for head in &heads {
            if !n.contains(head) {
                return Err(Failure::NotFound(format!("no change {head} in this history")));
            }
        }
        for mut change in n.am.get_changes(&heads) {
            let hash = Hash { bytes: change.hash().0 };
            sink(context, &hash, Slice::of(&change.bytes()));
        }
        Ok(())
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_snapshot(doc: *mut Doc, sink: CellSink, context: *mut c_void, error: *mut Buffer) -> i32 {
    with(doc, error, |n| {
        for id in n.cell_ids() {
            if let Some(cell) = n.read_cell(&id) {
                sink(context, &CellView::of(&cell));
            }
        }
        Ok(())
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_notebook_metadata(doc: *mut Doc, out: *mut Buffer, error: *mut Buffer) -> i32 {
    with(doc, error, |n| {
        let text = n.metadata_map().map(|m| {
            let mut text = String::new();
            json::read(&n.am, &m, automerge::ObjType::Map, 1, &mut text);
            text
        });
        (*out).fill(text.unwrap_or("{}".into()).into_bytes());
        Ok(())
    })
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_normalize_json(text: Slice, out: *mut Buffer, error: *mut Buffer) -> i32 {
    status(error, contain(|| {
        let value = json::parse(text.bytes()).map_err(Failure::Malformed)?;
        let mut normal = String::new();
        json::normalize(&value, &mut normal);
        (*out).fill(normal.into_bytes());
        Ok(())
    }))
}

unsafe fn tell(change: &Change, sink: InfoSink, context: *mut c_void) {
    let deps: Vec<Hash> = change.deps().iter().map(|d| Hash { bytes: d.0 }).collect();
    sink(context, &InfoView {
        hash: Hash { bytes: change.hash().0 },
        actor: Slice::of(change.actor_id().to_bytes()),
        message: Slice::of(change.message().unwrap_or("").as_bytes()),
        deps: deps.as_ptr(),
        dep_count: deps.len() as u64,
        seq: change.seq(),
        start_op: change.start_op().get(),
        op_count: change.len() as u64,
    });
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_inspect(
    chunk: Slice,
    limits: *const LimitsView,
    sink: InfoSink,
    context: *mut c_void,
    error: *mut Buffer,
) -> i32 {
    status(error, contain(|| {
        tell(&changes::decode(chunk.bytes(), &(*limits).limits())?, sink, context);
        Ok(())
    }))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_scan(
    chunk: Slice,
    limits: *const LimitsView,
    operations: *mut u64,
    error: *mut Buffer,
) -> i32 {
    status(error, contain(|| {
        *operations = scan::check_change_chunk(chunk.bytes(), &(*limits).limits())?;
        Ok(())
    }))
}

/// # Safety
/// Pointers are valid or, for `error`, NULL; `chunks` holds `count`.
#[no_mangle]
pub unsafe extern "C" fn lam_changes_read(
    chunks: *const Slice,
    count: u64,
    limits: *const LimitsView,
    sink: InfoSink,
    context: *mut c_void,
    out: *mut *mut Changes,
    error: *mut Buffer,
) -> i32 {
    status(error, contain(|| {
        let limits = (*limits).limits();
        let mut read = Vec::with_capacity(count as usize);
        let mut inflated = 0u64;
        for chunk in slices(chunks, count) {
            let change = changes::decode(chunk.bytes(), &limits)?;
            inflated = inflated.saturating_add(change.raw_bytes().len() as u64);
            if inflated > limits.max_inflated_bytes {
                return Err(Failure::TooLarge(format!(
                    "changes that together inflate past {} bytes",
                    limits.max_inflated_bytes
                )));
            }
            tell(&change, sink, context);
            read.push(change);
        }
        *out = Box::into_raw(Box::new(Changes { read }));
        Ok(())
    }))
}

/// # Safety
/// `changes` is NULL or came from `lam_changes_read` and is not used again.
#[no_mangle]
pub unsafe extern "C" fn lam_changes_free(changes: *mut Changes) {
    if !changes.is_null() {
        drop(Box::from_raw(changes));
    }
}

/// # Safety
/// Pointers are valid or, for `error`, `missing` and `patches`, NULL.
#[no_mangle]
pub unsafe extern "C" fn lam_apply(
    doc: *mut Doc,
    changes: *mut Changes,
    verify: i32,
    missing: Option<ChunkSink>,
    patches: Option<PatchSink>,
    context: *mut c_void,
    error: *mut Buffer,
) -> i32 {
    with(doc, error, |n| {
        let changes = std::mem::take(&mut (*changes).read);
        // Nobody wants to know what it changed: then the engine need not write it down.
        let untold = patches.is_none() && n.transaction.is_none();
        if untold {
            n.am.reset_diff_cursor();
        }
        let outcome = n.apply(changes, verify != 0);
        if untold {
            n.am.update_diff_cursor();
        }
        if let (Err(Failure::MissingDependency(hashes)), Some(missing)) = (&outcome, missing) {
            for hash in hashes {
                missing(context, &Hash { bytes: hash.0 }, Slice::of(&[]));
            }
        }
        outcome?;
        if !untold {
            deliver(n.take_events().0, patches, context);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
