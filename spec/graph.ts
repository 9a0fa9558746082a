import type { FrozenPlan, PlannedStage } from './frozen-plan.js'

/** The stages of a plan as a Mermaid flow chart. */
export function toMermaid({ stages }: Pick<FrozenPlan, 'stages'>): string {
  const ids = new Map(stages.map(({ name }, i) => [name, `s${i}`]))
  const quoted = (text: string) => `"${text.replaceAll('"', '#quot;')}"`
  const nodes = stages.map((stage) => {
    const text = quoted(label(stage, '<br>'))
    return stage.exclusive ? `  ${ids.get(stage.name)}[[${text}]]` : `  ${ids.get(stage.name)}[${text}]`
  })
  const edges = edgesOf(stages).map(([from, to]) => `  ${ids.get(from)} --> ${ids.get(to)}`)
  return ['flowchart TD', ...nodes, ...edges, ''].join('\n')
}

/** The stages of a plan as a Graphviz digraph. */
export function toDot({ name, stages }: Pick<FrozenPlan, 'name' | 'stages'>): string {
  const quoted = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
  const nodes = stages.map((stage) => {
    const attributes = [`label=${quoted(label(stage, '\n'))}`, ...(stage.exclusive ? ['peripheries=2'] : [])]
    return `  ${quoted(stage.name)} [${attributes.join(', ')}]`
  })
  const edges = edgesOf(stages).map(([from, to]) => `  ${quoted(from)} -> ${quoted(to)}`)
  return [`digraph ${quoted(name)} {`, '  node [shape=box]', ...nodes, ...edges, '}', ''].join('\n')
}

const label = ({ name, uses }: PlannedStage, newline: string) => (uses === name ? name : `${name}${newline}(${uses})`)

/** Needs without those that follow from others: a chart of all of them shows nothing. */
function edgesOf(stages: readonly PlannedStage[]): readonly (readonly [string, string])[] {
  // Stages come in topological order, so the stages before each need are known when it is met.
  const before = new Map<string, ReadonlySet<string>>()
  const edges: (readonly [string, string])[] = []
  for (const { name, needs } of stages) {
    const indirect = new Set(needs.flatMap((need) => [...(before.get(need) ?? [])]))
    before.set(name, new Set([...needs, ...indirect]))
    for (const need of needs) if (!indirect.has(need)) edges.push([need, name])
  }
  return edges
}
