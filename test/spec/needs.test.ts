/** Needs under other names (`first as score`), and stages with the parameters of others (`like`). */
import { expect, test } from 'vitest'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileSpec } from '../../spec/plan.js'
import { goodSpec, specFolder } from './good-spec.js'
import { registry } from './registry.js'

const head = goodSpec.replace(/^stages:[^]*$/m, '')
async function compiled(stages: string, changes = '') {
  const pipeline = `pipeline:\n  inputs: puzzle\n  stages:\n${stages.replace(/^/gm, '    ')}\n`
  const { folder, file } = await specFolder(`${head}${changes}${pipeline}`)
  const { plan, diagnostics } = await compileSpec(file, registry)
  return { plan, lines: diagnostics.map((found) => formatDiagnostic(found).replaceAll(`${folder}/`, '')) }
}
const planned = async (stages: string, changes = '') => {
  const { plan, lines } = await compiled(stages, changes)
  expect(lines).toEqual([])
  return (name: string) => plan!.stages.find((stage) => stage.name === name)!
}

test('a need can go by another name, and one that is left out by none', async () => {
  const stages =
    'first: { uses: echo }\nother: { uses: echo }\nlast: { uses: echo, needs: [first as score, other? as depth] }'
  expect(await planned(stages).then((of) => of('last'))).toMatchObject({
    needs: ['first', 'other'],
    as: { first: 'score', other: 'depth' },
  })
  const without = await planned(stages, 'stages: { other: false }\n')
  expect(without('last')).toMatchObject({ needs: ['first'], as: { first: 'score' } })
})

test('a stage has the parameters of the one that it is like where it sets none', async () => {
  const stages = `distill: { with: { tokens: 20000 } }
first: { uses: distill, like: distill, with: { rate: 0.5 } }
other: { uses: echo, like: distill }`
  const of = await planned(stages, 'stages: { distill: { mode: coupled }, first: { tokens: 5 } }\n')
  expect(of('distill').params).toEqual({ tokens: 20_000, mode: 'coupled', rate: 0.001 })
  expect(of('first').params).toEqual({ tokens: 5, mode: 'coupled', rate: 0.5 })
  // Parameters of another type mean nothing to it.
  expect(of('other').params).toEqual({})
})

test('mistakes name their places', async () => {
  const stages = `a: { uses: echo }
b: { uses: echo }
c: { uses: echo, needs: [a as x, b as x] }
d: { uses: echo, needs: [b] }
e: { uses: echo, needs: [d as b], with: { text: "\${{ stages.b.outputs.text }}" } }
f: { uses: distill, like: distil }
distill: {}
g: { uses: distill, like: distill }`
  const { lines } = await compiled(stages, 'stages: { distill: { tokns: 1 } }\n')
  // That of `distill` is not told of `g` as well.
  expect(lines).toEqual([
    'search.yaml:21:22 unknown-key stages.distill has no key "tokns". (did you mean "tokens"?)',
    'search.yaml:27:38 ambiguous-need Stage "c" finds two stages under the name "x": "a" and "b". (remove one of these needs)',
    'search.yaml:29:53 bad-expression Stage "e" finds another stage under the name "b". (name the stage that it needs)',
    'search.yaml:30:31 unknown-stage Stage "f" is like a stage "distil" that does not exist. (did you mean "distill"?)',
  ])
})
