import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TaskRecord } from '../../store/store.js'
import type { Place } from '../cli/puzzleflow.js'

/** Figures of a result that a clock has measured. */
const measured = /(^|\.)(throughput\.measured|ratios\.throughput|seconds)$/

/** Stages that put no measured time into what they leave. */
const exact = ['prepare', 'capture', 'distill', 'score', 'uptrain', 'export']

/** In what two searches differ, a line each; measured times apart. Empty when they are the same. */
export function differences(reference: Place, other: Place): string[] {
  const [expected, found] = [reference, other].map(({ folder }) =>
    leaves(JSON.parse(readFileSync(join(folder, 'runs/chaos/result.json'), 'utf8'))),
  )
  const [wanted, made] = [reference, other].map(artifacts)
  return [...compare('result', expected!, found!), ...compare('artifact', wanted!, made!)]
}

function compare(what: string, expected: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  const names = [...new Set([...expected.keys(), ...found.keys()])].sort()
  return names
    .filter((name) => expected.get(name) !== found.get(name))
    .map((name) => `${what} ${name}: ${found.get(name) ?? 'absent'} instead of ${expected.get(name) ?? 'absent'}`)
}

/** Values of a JSON tree by their paths. */
function leaves(tree: unknown, path = ''): Map<string, string> {
  if (measured.test(path)) return new Map()
  if (typeof tree !== 'object' || tree === null) return new Map([[path, JSON.stringify(tree)]])
  return new Map(
    Object.entries(tree).flatMap(([name, value]) => [...leaves(value, path === '' ? name : `${path}.${name}`)]),
  )
}

/** Digests of all that was made, by stage, task and name; a task that was done under two keys shows. */
function artifacts({ store }: Place): Map<string, string> {
  const folder = join(store, 'records')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
  const found = new Map<string, string>()
  for (const file of files.sort()) {
    const { components, outputs } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as TaskRecord
    const { stage, kind, task } = components as { stage: string; kind: string; task?: unknown }
    if (!exact.includes(stage)) continue
    const name = [stage, kind, ...(typeof task === 'string' ? [task] : [])].join(' ')
    for (const [artifact, { digest }] of Object.entries(outputs.files)) {
      const key = `${name}: ${artifact}`
      found.set(key, [found.get(key), digest].filter((own) => own !== undefined).join(' and '))
    }
  }
  return found
}
