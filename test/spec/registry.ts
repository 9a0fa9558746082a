import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { builtInBlocks } from '../../plugins/blocks/index.js'
import { builtInRuns } from '../../plugins/runs/index.js'
import type { Registry, StageInfo } from '../../spec/registry.js'
import { packageRoot } from '../../store/paths.js'

const puzzleFile = join(packageRoot(), 'plugins/pipelines/puzzle.yaml')

/** An object schema of parameters. */
const parameters = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties,
})

const stage = (name: string, schema: object = parameters({}), reads: readonly string[] = []): StageInfo => ({
  name,
  version: 1,
  parameters: schema,
  reads,
})

const stages: readonly StageInfo[] = [
  stage('prepare', parameters({ shards: { type: 'integer', default: 1 } }), ['model', 'data', 'tasks']),
  stage('profile', parameters({ costs: { type: 'string', format: 'file' } }), ['model', 'space', 'target']),
  stage('check-limits', parameters({}), ['target']),
  stage('capture', parameters({ budget: { quantity: 'bytes', default: 1e9 } }), ['model']),
  stage(
    'distill',
    parameters({
      tokens: { type: 'integer', minimum: 1, default: 10_000 },
      mode: { enum: ['decoupled', 'coupled'], default: 'decoupled' },
      rate: { type: 'number', exclusiveMinimum: 0, default: 0.001 },
    }),
    ['model', 'space'],
  ),
  stage('depth', parameters({}), ['model', 'space']),
  stage('score', parameters({}), ['model']),
  stage(
    'solve',
    parameters({
      solutions: { type: 'integer', minimum: 1, default: 3 },
      minimumDifference: { type: 'number', minimum: 0, maximum: 1, default: 0.2 },
    }),
    ['target'],
  ),
  stage(
    'evaluate',
    parameters({
      of: { enum: ['solutions', 'child'], default: 'solutions' },
      split: { enum: ['validation', 'test'], default: 'validation' },
      texts: { type: 'integer' },
    }),
    ['model', 'tasks'],
  ),
  stage('select', parameters({}), ['target']),
  stage('uptrain', parameters({ steps: { type: 'integer', default: 100 } }), ['model']),
  stage('refine', parameters({ evaluations: { type: 'integer', default: 120 } }), ['model', 'target']),
  stage('improve', parameters({ attempts: { type: 'integer', default: 3 } }), ['model', 'target']),
  stage('export', parameters({}), ['model']),
  stage('report'),
  stage('echo', parameters({ text: { type: 'string' }, count: { type: 'integer' } })),
]

/** The real pipeline `puzzle` and block types, and stage types that only have parameters. */
export const registry: Registry = {
  stages: {
    get: (name) => stages.find((info) => info.name === name),
    names: () => stages.map(({ name }) => name),
  },
  blocks: {
    get: (slot, name) => builtInBlocks.find((b) => b.slot === slot && b.name === name),
    names: (slot) => builtInBlocks.filter((b) => b.slot === slot).map(({ name }) => name),
  },
  runs: {
    get: (name) => builtInRuns.find((run) => run.name === name),
    names: () => builtInRuns.map(({ name }) => name),
  },
  pipeline: (name) => (name === 'puzzle' ? { text: readFileSync(puzzleFile, 'utf8'), file: 'puzzle.yaml' } : undefined),
  pipelines: () => ['puzzle'],
}
