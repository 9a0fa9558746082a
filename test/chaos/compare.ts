import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TaskRecord } from '../../store/store.js'
import type { Place } from '../cli/puzzleflow.js'

/** Figures of a result that depend on measured times. */
const measured =
  /(^|\.)((throughput|prefill|tokenLatency)\.measured|ratios\.(throughput|prefill|tokenLatency)|seconds)$|^timing$|^profile$|^calibration$/

/** Stages whose outputs do not depend on measured times. */
const exact = ['prepare', 'capture', 'distill', 'score', 'uptrain', 'export']

/** Lists the differences between two searches, except measured times; empty if they are equal. */
export function differences(reference: Place, other: Place): string[] {
  const [expected, actual] = [reference, other].map(({ folder }) =>
    leaves(JSON.parse(readFileSync(join(folder, 'runs/chaos/result.json'), 'utf8'))),
  )
  const [expectedArtifacts, actualArtifacts] = [reference, other].map(artifacts)
  return [...compare('result', expected!, actual!), ...compare('artifact', expectedArtifacts!, actualArtifacts!)]
}

function compare(kind: string, expected: ReadonlyMap<string, string>, actual: ReadonlyMap<string, string>): string[] {
  const names = [...new Set([...expected.keys(), ...actual.keys()])].sort()
  return names
    .filter((name) => expected.get(name) !== actual.get(name))
    .map((name) => `${kind} ${name}: ${actual.get(name) ?? 'absent'} instead of ${expected.get(name) ?? 'absent'}`)
}

/** The leaves of a JSON tree by path. */
function leaves(tree: unknown, path = ''): Map<string, string> {
  if (measured.test(path)) return new Map()
  if (typeof tree !== 'object' || tree === null) return new Map([[path, JSON.stringify(tree)]])
  return new Map(
    Object.entries(tree).flatMap(([name, value]) => [...leaves(value, path === '' ? name : `${path}.${name}`)]),
  )
}

/** Digests of all artifacts by stage, task and name. A task that ran under two keys has two digests. */
function artifacts({ store }: Place): Map<string, string> {
  const folder = join(store, 'records')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
  const digests = new Map<string, string>()
  for (const file of files.sort()) {
    const { components, outputs } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as TaskRecord
    const { stage, kind, task } = components as { stage: string; kind: string; task?: unknown }
    if (!exact.includes(stage)) continue
    const name = [stage, kind, ...(typeof task === 'string' ? [task] : [])].join(' ')
    for (const [artifact, { digest }] of Object.entries(outputs.files)) {
      const key = `${name}: ${artifact}`
      digests.set(key, [digests.get(key), digest].filter((value) => value !== undefined).join(' and '))
    }
  }
  return digests
}
