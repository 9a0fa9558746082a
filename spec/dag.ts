import { suggest, type Diagnostic } from './diagnostics.js'
import { explainExpression, findExpressions, parseExpression } from './expressions.js'
import type { StageNode } from './pipeline.js'
import type { Site } from './site.js'
import { pointer } from './source-map.js'

export interface Dag {
  /** In an order in which each stage comes after those it needs; those of the pipeline keep its order where they can. */
  readonly order: readonly StageNode[]
  /** Names of the stages that each one gets outputs of. */
  readonly needs: ReadonlyMap<string, readonly string[]>
}

/** Checks what stages need and refer to: unknown stages, stages left out, circles, expressions. */
export function checkDag(
  stages: readonly StageNode[],
  leftOut: ReadonlyMap<string, Site>,
  report: (diagnostic: Diagnostic) => void,
): Dag {
  const names = stages.map(({ name }) => name)
  const needs = new Map(stages.map((node) => [node.name, checkNeeds(node, names, leftOut, report)]))
  const circles = findCircles(names, needs)
  for (const circle of circles) {
    const [first, second = first] = circle as [string, ...string[]]
    const node = stages.find(({ name }) => name === first)!
    const index = node.needs.findIndex(({ stage }) => stage === second)
    const message = `Stages need each other in a cycle: ${[...circle, first].join(' -> ')}.`
    const hint = 'remove one of these needs'
    report(node.site.diagnose(`/needs/${index}`, 'value', { code: 'cycle', message, hint }))
  }
  // A stage gets the outputs of its needs alone, so one that it names in an expression becomes one of them.
  const all = new Map(
    stages.map((node) => {
      const nodeNeeds = needs.get(node.name)!
      return [node.name, [...new Set([...nodeNeeds, ...checkExpressions(node, names, needs, report)])]]
    }),
  )
  return { order: circles.length > 0 ? stages : sort(stages, needs), needs: all }
}

function checkNeeds(
  { name, needs, site }: StageNode,
  names: readonly string[],
  leftOut: ReadonlyMap<string, Site>,
  report: (diagnostic: Diagnostic) => void,
): readonly string[] {
  const known: string[] = []
  for (const [i, { stage, optional, as }] of needs.entries()) {
    const without = leftOut.get(stage)
    const other = needs.findIndex((need) => need.as === as)
    if (other < i && needs[other]!.stage !== stage) {
      const message = `Stage "${name}" finds two stages under the name "${as}": "${needs[other]!.stage}" and "${stage}".`
      report(
        site.diagnose(`/needs/${i}`, 'value', { code: 'ambiguous-need', message, hint: 'remove one of these needs' }),
      )
    } else if (names.includes(stage)) known.push(stage)
    else if (without) {
      if (optional) continue
      const message = `Stage "${stage}" is left out, but stage "${name}" needs it.`
      report(without.diagnose('', 'value', { code: 'needed-stage', message, hint: `leave out "${name}" too` }))
    } else {
      const message = `Stage "${name}" needs a stage "${stage}" that does not exist.`
      report(site.diagnose(`/needs/${i}`, 'value', { code: 'unknown-stage', message, hint: suggest(stage, names) }))
    }
  }
  return [...new Set(known)]
}

/** One circle of each group of stages that need each other. */
function findCircles(
  names: readonly string[],
  needs: ReadonlyMap<string, readonly string[]>,
): readonly (readonly string[])[] {
  const circles: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const walk = (name: string): void => {
    const start = path.indexOf(name)
    if (start >= 0) {
      circles.push(path.slice(start))
      return
    }
    if (done.has(name)) return
    path.push(name)
    for (const need of needs.get(name) ?? []) walk(need)
    path.pop()
    done.add(name)
  }
  names.forEach(walk)
  const reported = new Set<string>()
  return circles.filter((circle) => {
    if (circle.some((name) => reported.has(name))) return false
    circle.forEach((name) => reported.add(name))
    return true
  })
}

function sort(stages: readonly StageNode[], needs: ReadonlyMap<string, readonly string[]>): readonly StageNode[] {
  const order: StageNode[] = []
  const placed = new Set<string>()
  while (order.length < stages.length) {
    const next = stages.find(({ name }) => !placed.has(name) && needs.get(name)!.every((need) => placed.has(need)))
    if (!next) throw new Error('Internal error: a circle was not found')
    order.push(next)
    placed.add(next.name)
  }
  return order
}

/** @returns the stages that expressions name */
function checkExpressions(
  { name, needs: written, params, paramsSite }: StageNode,
  names: readonly string[],
  needs: ReadonlyMap<string, readonly string[]>,
  report: (diagnostic: Diagnostic) => void,
): readonly string[] {
  const expressions = findExpressions(params)
  if (expressions.length === 0) return []
  const named: string[] = []
  const before = transitiveNeeds(name, needs)
  for (const { path, text } of expressions) {
    const problem = (code: string, message: string, hint?: string) =>
      report(paramsSite.diagnose(pointer(path), 'value', { code, message, hint }))
    const expression = parseExpression(text)
    if (!expression) {
      const { message, hint } = explainExpression(text)
      problem('bad-expression', message, hint)
    } else if (!names.includes(expression.stage)) {
      problem('bad-expression', `There is no stage "${expression.stage}".`, suggest(expression.stage, [...before]))
    } else if (!before.has(expression.stage)) {
      const message = `Stage "${name}" does not need stage "${expression.stage}", so it cannot use its outputs.`
      problem('bad-expression', message, `add "${expression.stage}" to the needs of "${name}"`)
    } else if (written.some(({ stage, as }) => as === expression.stage && stage !== as)) {
      const message = `Stage "${name}" finds another stage under the name "${expression.stage}".`
      problem('bad-expression', message, 'name the stage that it needs')
    } else named.push(expression.stage)
  }
  return named
}

/** All stages that come before one. */
function transitiveNeeds(name: string, needs: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const needed = new Set<string>()
  const add = (from: string) => {
    for (const need of needs.get(from) ?? [])
      if (!needed.has(need)) {
        needed.add(need)
        add(need)
      }
  }
  add(name)
  return needed
}
