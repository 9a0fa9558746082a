import { isDigest } from '../store/digest.js'
import type { TaskRecord } from '../store/index.js'
import type { Components } from './keys.js'

/** A component of a key that differs from an earlier record's. */
export interface Difference {
  /** Path of the component, such as `taskParams.learningRate`. */
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** Lists every leaf in which two keys differ, in the order of the paths. */
export function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  if (!isMap(before) || !isMap(after)) return [{ path, before, after }]
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name) => differences(before[name], after[name], path === '' ? name : `${path}.${name}`))
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** Identifies the records that a key is compared with: those of the same stage, kind and, if there is one, task. */
const alike = ({ stage, kind, task }: Components): string => JSON.stringify([stage, kind, task])

/** Returns a function that finds the record most similar to a key. */
export function nearestAmong(records: readonly TaskRecord[]): (components: Components) => Nearest | undefined {
  const byTask = new Map<string, TaskRecord[]>()
  for (const record of records) {
    const likeness = alike(record.components)
    if (byTask.has(likeness)) byTask.get(likeness)!.push(record)
    else byTask.set(likeness, [record])
  }
  return (components) => nearest(components, byTask.get(alike(components)) ?? [])
}

/** A record that is similar to a key, and their differences. */
export interface Nearest {
  readonly record: TaskRecord
  readonly differences: readonly Difference[]
}

function nearest(components: Components, records: readonly TaskRecord[]): Nearest | undefined {
  let best: { record: TaskRecord; differences: Difference[] } | undefined
  for (const record of records) {
    const found = differences(record.components, components)
    if (found.length === 0) continue
    const closer =
      !best ||
      found.length < best.differences.length ||
      (found.length === best.differences.length && record.finishedAt > best.record.finishedAt)
    if (closer) best = { record, differences: found }
  }
  return best
}

/** Describes a difference: `learningRate 0.001 -> 0.002`, `input tokens is another file`. */
export function inWords({ path, before, after }: Difference): string {
  const [group, ...rest] = path.split('.')
  const name = rest.join('.')
  const value = (v: unknown) => (v === undefined ? 'absent' : isDigest(v) ? v.slice(0, 12) : JSON.stringify(v))
  const change = `${value(before)} -> ${value(after)}`
  switch (group) {
    case 'version':
      return `version of the stage ${change}`
    case 'plugin':
      return `code of the stage's plugin ${change}`
    case 'numerics':
      return `version of the arithmetic ${change}`
    case 'engine':
      return `onnxruntime ${change}`
    case 'taskInputs':
      return `input ${name} ${change}`
    case 'needs':
      return `outputs of stage ${name} ${change}`
    case 'tasks':
      return `task ${Number(name) + 1} ${change}`
    case 'blocks':
      return `block types ${change}`
    case 'inputs':
    case 'params':
    case 'taskParams':
      return `${name || group} ${change}`
    default:
      return `${path} ${change}`
  }
}
