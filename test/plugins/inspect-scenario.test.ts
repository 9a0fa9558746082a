import { expect, test } from 'vitest'
import { inspectScenarios } from '../../plugins/inspect/scenario.js'
import type { PuzzleInputs } from '../../plugins/inspect/puzzle-inputs.js'
import { processors } from '../../tensor/processors.js'
import { openTiny } from '../model/tiny.js'

const { config } = await openTiny()
const said = (target: PuzzleInputs['target']) =>
  inspectScenarios({ model: '', space: { attention: [], ffn: [] }, ...(target && { target }) }, config).map(
    ({ path, code, severity = 'error' }) => `${severity} ${path.join('.')} ${code}`,
  )
const tokenLatency = { bound: 'max', value: 0.5, unit: 'parent' } as const

test('a limit on token latency needs tokens that are decoded', () => {
  const scenario = { batch: 1, prefill: 2, generate: 1 }
  expect(said({ scenario, limits: { tokenLatency } })).toEqual(['error target.limits.tokenLatency nothing-decoded'])
  expect(said({ scenario, limits: { prefill: tokenLatency } })).toEqual([])
  expect(said({ scenario: { ...scenario, generate: 2 }, limits: { tokenLatency } })).toEqual([])
})

test('a scenario longer than the model is measured, with a warning', () => {
  const { maxPositions } = config
  expect(said({ scenario: { batch: 1, prefill: maxPositions - 4, generate: 4 } })).toEqual([])
  expect(said({ scenario: { batch: 1, prefill: maxPositions, generate: 1 } })).toEqual([
    'warning target.scenario beyond-positions',
  ])
  expect(said(undefined)).toEqual([])
})

test('more threads than processors are measured, with a warning', () => {
  const scenario = { batch: 1, prefill: 2, generate: 2 }
  expect(said({ scenario, threads: 1 })).toEqual([])
  expect(said({ scenario, threads: processors() + 1 })).toEqual(['warning target.threads more-threads'])
})

test('what is wrong at every batch is said once', () => {
  const { maxPositions } = config
  expect(said({ scenario: { batch: [1, 2], prefill: maxPositions, generate: 1 }, limits: { tokenLatency } })).toEqual([
    'warning target.scenario beyond-positions',
    'error target.limits.tokenLatency nothing-decoded',
  ])
})

test('a cost table measured elsewhere is of one batch', () => {
  const scenario = { batch: [1, 2], prefill: 2, generate: 2 }
  expect(said({ scenario })).toEqual([])
  expect(said({ scenario, profile: 'costs.json' })).toEqual(['error target.profile beside-batches'])
})
