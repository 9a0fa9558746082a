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
] as const)('a message that is too large is not a defect: %s %s', ([code, details]) => {
  expect(explain(answer(code, details)).json).toEqual({
    kind: 'InvalidInput',
    exitCode: 2,
    message: `The Temporal server refuses a message as too large: ${details}`,
    remedy: 'Make the search smaller (fewer variants, fewer stages, shorter names), or raise the server’s limit.',
  })
})

test('another refusal of the server stays what it is', () => {
  expect(explain(answer(8, 'namespace rate limit exceeded')).json.kind).toBe('NoServer')
})
