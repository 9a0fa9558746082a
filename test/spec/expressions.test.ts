import { expect, test } from 'vitest'
import { parseExpression, resolveExpressions } from '../../spec/expressions.js'

test('there is one form of expression', () => {
  expect(parseExpression('${{ stages.check-limits.outputs.best.id }}')).toEqual({
    stage: 'check-limits',
    path: ['best', 'id'],
  })
  expect(parseExpression('${{stages.solve.outputs.files.solutions}}')?.path).toEqual(['files', 'solutions'])
  for (const text of [
    '${{ stages.solve }}',
    '${{ stages.solve.outputs }}',
    '${{ env.HOME }}',
    'x ${{ stages.a.outputs.b }}',
  ])
    expect(parseExpression(text)).toBeUndefined()
})

test('expressions become the values they stand for, of any type', () => {
  const outputs = { solve: { values: { best: { id: 3 }, list: [1] }, files: { plan: { digest: 'd' } } } }
  const params = {
    a: '${{ stages.solve.outputs.best.id }}',
    b: ['${{ stages.solve.outputs.list }}', 'text'],
    c: { d: '${{ stages.solve.outputs.files.plan }}' },
  }
  expect(resolveExpressions(params, outputs)).toEqual({ a: 3, b: [[1], 'text'], c: { d: { digest: 'd' } } })
})

test('an output that is not there is named', () => {
  expect(() => resolveExpressions({ a: '${{ stages.solve.outputs.worst }}' }, {})).toThrow(
    '${{ stages.solve.outputs.worst }}: stage solve has no output "worst"',
  )
})
