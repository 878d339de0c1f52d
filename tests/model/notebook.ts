// A notebook as anybody sees it: from a snapshot and events, from an Automerge document, or from the file.
import * as A from '@automerge/automerge';
import { comparePositions } from '../../host/web/src/document/positions';

export interface Cell {
  id: string;
  type: string;
  source: string;
  metadata: Record<string, unknown>;
}
export type View = Cell[];

/** What the host says changed (protocol 4), in order. */
export function applyChanges(view: View, changes: any[]): View {
  let cells = view.map((cell) => ({ ...cell }));
  const find = (id: string): Cell => {
    const cell = cells.find((candidate) => candidate.id === id);
    if (!cell) throw new Error(`an event names the cell ${id}, which is not there`);
    return cell;
  };
  const place = (cell: Cell, change: any) => {
    const at = change.after !== undefined ? cells.findIndex((other) => other.id === change.after) + 1
      : change.before !== undefined ? cells.findIndex((other) => other.id === change.before)
      : cells.length;
    if (at < 0 || (change.after !== undefined && at === 0)) throw new Error(`an event places ${cell.id} beside a cell that is not there: ${JSON.stringify(change)}`);
    cells.splice(at, 0, cell);
  };
  for (const change of changes) {
    switch (change.type) {
      case 'create_cell':
        if (cells.some((cell) => cell.id === change.cell_id)) throw new Error(`an event creates ${change.cell_id} a second time`);
        place({ id: change.cell_id, type: change.cell_type, source: change.source, metadata: change.metadata ?? {} }, change);
        break;
      case 'delete_cell':
        find(change.cell_id);
        cells = cells.filter((cell) => cell.id !== change.cell_id);
        break;
      case 'move_cell': {
        const cell = find(change.cell_id);
        cells = cells.filter((other) => other !== cell);
        place(cell, change);
        break;
      }
      case 'reorder_cells': {
        const rank = new Map<string, number>(change.cell_ids.map((id: string, index: number) => [id, index]));
        cells.sort((one, other) => (rank.get(one.id) ?? rank.size) - (rank.get(other.id) ?? rank.size));
        break;
      }
      case 'set_source':
        find(change.cell_id).source = change.source;
        break;
      case 'splice_source': {
        const cell = find(change.cell_id);
        const points = [...cell.source];
        if (change.index + change.delete > points.length) throw new Error(`an event splices behind the end: ${JSON.stringify(change)} in ${cell.source}`);
        points.splice(change.index, change.delete, ...change.insert);
        cell.source = points.join('');
        break;
      }
      case 'set_cell_type':
        find(change.cell_id).type = change.cell_type;
        break;
      case 'set_metadata':
        if (change.cell_id !== null && change.cell_id !== undefined) {
          const cell = find(change.cell_id);
          cell.metadata = withPath(cell.metadata, change.path, change.value);
        }
        break;
      default:
        throw new Error(`an event has a change of unknown type: ${JSON.stringify(change)}`);
    }
  }
  return cells;
}

function withPath(metadata: Record<string, unknown>, path: string[], value: unknown): Record<string, unknown> {
  const [key, ...rest] = path;
  if (key === undefined) return (value ?? {}) as Record<string, unknown>;
  const copy = { ...metadata };
  if (rest.length > 0) copy[key] = withPath((copy[key] ?? {}) as Record<string, unknown>, rest, value);
  else if (value === null) delete copy[key];
  else copy[key] = value;
  return copy;
}

export function fromSnapshot(notebook: any): View {
  return notebook.cells.map((cell: any) => ({ id: cell.id, type: cell.cell_type, source: cell.source, metadata: cell.metadata }));
}

export function fromFile(text: string): View {
  return JSON.parse(text).cells.map((cell: any) => ({
    id: cell.id,
    type: cell.cell_type,
    source: Array.isArray(cell.source) ? cell.source.join('') : cell.source,
    metadata: cell.metadata,
  }));
}

// ---- the Automerge document, nteract's schema 5

export type Doc = A.Doc<any>;

function plain(value: any): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(plain);
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) return value.toString();
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function ordered(doc: Doc): { id: string; position: string }[] {
  return Object.keys(doc.cells ?? {})
    .map((id) => ({ id, position: String(doc.cells[id].position) }))
    .sort(comparePositions);
}

export function fromDocument(doc: Doc): View {
  return ordered(doc).map(({ id }) => {
    const cell = doc.cells[id];
    return { id, type: String(cell.cell_type), source: String(cell.source), metadata: plain(cell.metadata ?? {}) as Record<string, unknown> };
  });
}

export const positionsOf = (doc: Doc): { id: string; position: string }[] => ordered(doc);
export const scalar = (text: string) => new A.ImmutableString(text);

// ---- comparing

function stable(value: any): unknown {
  if (Array.isArray(value)) return value.map(stable);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, stable(value[key])]));
}

/** Empty where both are the same, cell by cell. */
export function difference(name: string, one: View, otherName: string, other: View): string {
  const line = (cell: Cell) => JSON.stringify([cell.id, cell.type, cell.source, stable(cell.metadata)]);
  const left = one.map(line);
  const right = other.map(line);
  if (left.length === right.length && left.every((cell, index) => cell === right[index])) return '';
  return `${name}:\n  ${left.join('\n  ')}\n${otherName}:\n  ${right.join('\n  ')}`;
}
