import { expect, test } from 'vitest'
import type { PlannedStage } from '../../spec/frozen-plan.js'
import { toDot, toMermaid } from '../../spec/graph.js'

const stage = (name: string, needs: readonly string[], more: Partial<PlannedStage> = {}): PlannedStage => ({
  name,
  uses: name,
  version: 1,
  needs,
  params: {},
  ...more,
})
const plan = {
  name: 'x',
  stages: [
    stage('a', []),
    stage('b', ['a'], { exclusive: true }),
    stage('c', ['a', 'b'], { uses: 'other' }),
    stage('d', ['a', 'c']),
  ],
}

test('a plan is drawn for Mermaid without needs that follow from others', () => {
  expect(toMermaid(plan)).toBe(
    'flowchart TD\n  s0["a"]\n  s1[["b"]]\n  s2["c<br>(other)"]\n  s3["d"]\n  s0 --> s1\n  s1 --> s2\n  s2 --> s3\n',
  )
})

test('a plan is drawn for Graphviz', () => {
  expect(toDot(plan)).toBe(
    [
      'digraph "x" {',
      '  node [shape=box]',
      '  "a" [label="a"]',
      '  "b" [label="b", peripheries=2]',
      '  "c" [label="c\\n(other)"]',
      '  "d" [label="d"]',
      '  "a" -> "b"',
      '  "b" -> "c"',
      '  "c" -> "d"',
      '}',
      '',
    ].join('\n'),
  )
})
