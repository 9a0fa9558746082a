import { expect, test } from 'vitest'
import { explain } from '../../cli/explain.js'

/** As Temporal's client throws it. */
const answer = (code: number, details: string) =>
  Object.assign(new Error('Failed to start Workflow'), {
    cause: Object.assign(new Error(`${code} ${details}`), { code, details, metadata: {} }),
  })

test.for([
  [8, 'grpc: received message larger than max (5243045 vs. 4194304)'],
  [8, 'Received message larger than max (5243045 vs. 4194304)'],
  [3, 'Blob data size exceeds limit.'],
] as const)('a message that is too large is no defect: %s %s', ([code, details]) => {
  expect(explain(answer(code, details)).json).toEqual({
    kind: 'InvalidInput',
    exitCode: 2,
    message: `It is too large for a message to the Temporal server: ${details}`,
    remedy: 'Make it smaller: fewer stages, shorter names.',
  })
})

test('another refusal of the server stays what it is', () => {
  expect(explain(answer(8, 'namespace rate limit exceeded')).json.kind).toBe('Defect')
})
