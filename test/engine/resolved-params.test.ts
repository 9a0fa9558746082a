import { expect, test } from 'vitest'
import { resolvedParams } from '../../activities/resolved-params.js'
import type { JsonObject } from '../../api/index.js'
import type { PlannedStage } from '../../spec/frozen-plan.js'
import { refine } from '../../plugins/stages/refine.js'

/** Parameters of `refine`, where a stage before has left a value. */
function resolved(written: JsonObject, value: JsonObject[string]) {
  const planned: PlannedStage = { name: 'refine', uses: 'refine', version: 1, needs: ['before'], params: written }
  return resolvedParams(planned, refine, { before: { values: { value }, files: {} } })
}
const evaluations = { evaluations: '${{ stages.before.outputs.value }}' }

test('an expression stands for a value that the stage can have', () => {
  expect(resolved(evaluations, 12)).toEqual({ evaluations: 12 })
})

test.each([
  [1e9, 'refine.evaluations must be <= 100000, not 1000000000: each one is a whole child'],
  [-1, 'refine.evaluations must be >= 0, not -1'],
  ['many', 'refine.evaluations must be a whole number, not "many"'],
])('a value that it cannot have is refused: %s', (value, message) => {
  expect(() => resolved(evaluations, value)).toThrow(message)
})
