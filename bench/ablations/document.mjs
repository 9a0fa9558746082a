// docs/results.md, from figures.
import { accuracyOf, advantages, judge, klOf, pooled } from './figures.mjs'
import { reference } from './tables.mjs'

// Not -0.0.
const fixed = (value, digits) => (Number(value.toFixed(digits)) + 0).toFixed(digits)
const points = ({ value, stderr }, digits = 1) => `${fixed(100 * value, digits)} ± ${fixed(100 * stderr, digits)}`
const nats = ({ value, stderr }) => `${value.toPrecision(3)} ± ${stderr.toPrecision(1)}`
const signed = (text, value) => (value > 0 ? `+${text}` : text)
const row = (cells) => `| ${cells.join(' | ')} |`

/** Arms that are shown as one: a list of children with the same name. */
const asOne = ({ arms, together }) =>
  together
    ? [...arms.filter(({ name }) => !together.arms.includes(name)), { name: together.name, parts: together.arms }]
    : arms

/** Children of an arm, of all seeds. */
function childrenOf({ name, parts = [name] }, results) {
  const all = results.flatMap((byArm) => parts.flatMap((part) => byArm[part] ?? []))
  const children = all.filter(({ reason }) => reason === undefined)
  if (all.length === 0) return undefined
  return children.length > 0 ? children : { reason: all[0].reason }
}

const average = (values) => values.reduce((a, b) => a + b, 0) / values.length

function armRow(arm, children, base) {
  const name = arm.label ?? arm.name
  if (!children) return row([name, 'not run', '', '', '', '', '', ''])
  if (children.reason !== undefined) return row([name, `no child: ${children.reason}`, '', '', '', '', '', ''])
  const trained = children.filter(({ after }) => after)
  const of = (figure, when, shown) => {
    const known = children.filter((own) => own[when])
    return known.length > 0 ? shown(pooled(known.map((own) => figure(own[when])))) : ''
  }
  const objective = average(children.map(({ objective }) => objective))
  const apart = arm.name === reference || !base?.length ? [] : advantages(trained, base, 'after')
  const toFirst = apart.length > 0 ? pooled(apart.map(({ accuracy }) => accuracy)) : undefined
  const counted = trained.length < children.length ? `${children.length}, ${trained.length} uptrained` : children.length
  return row([
    arm.parts ? `${name} (mean of ${counted})` : name,
    `${average(children.map(({ speed }) => speed)).toFixed(2)}x`,
    objective.toPrecision(3),
    of(klOf, 'before', nats),
    of(accuracyOf, 'before', points),
    of(klOf, 'after', nats),
    of(accuracyOf, 'after', points),
    toFirst ? signed(points(toFirst), toFirst.value) : '',
  ])
}

/** A table with its verdicts. @param results  of each seed: children by arm, or `{ reason }` */
export function tableText(table, results) {
  const arms = asOne(table).map((arm) => ({ arm, children: childrenOf(arm, results) }))
  const byName = Object.fromEntries(arms.flatMap(({ arm, children }) => (children ? [[arm.name, children]] : [])))
  const labels = Object.fromEntries(arms.map(({ arm }) => [arm.name, arm.label ?? arm.name]))
  const judged = table.claims.map((claim) => ({ ...claim, ...judge(claim, byName) }))
  const shown = ({ measure, difference, note }) =>
    note ?? (difference ? (measure === 'kl' ? nats(difference) : `${points(difference)} points`) : '')
  return [
    `## ${table.title}`,
    '',
    table.text,
    '',
    row([
      'arm',
      'speed',
      'sum of scores',
      'KL before',
      'accuracy before',
      'KL after',
      'accuracy after',
      'to the first',
    ]),
    row(['---', '--:', '--:', '--:', '--:', '--:', '--:', '--:']),
    ...arms.map(({ arm, children }) => armRow(arm, children, byName[reference])),
    '',
    row(['ordering', 'uptraining', 'measure', 'in the paper', 'here, by how much', 'verdict']),
    row(['---', '---', '---', '---', '--:', '---']),
    ...judged.map((own) =>
      row([
        `${labels[own.better]} over ${labels[own.worse]}`,
        own.when,
        own.measure === 'kl' ? 'KL' : 'accuracy',
        own.paper,
        shown(own),
        own.verdict,
      ]),
    ),
    '',
    summary(judged),
    '',
  ].join('\n')
}

/** In a sentence. */
function summary(judged) {
  const count = (word) => judged.filter(({ verdict }) => verdict === word).length
  const parts = ['holds', 'does not hold', 'within noise', 'not run'].flatMap((word) =>
    count(word) > 0 ? [`${word}: ${count(word)}`] : [],
  )
  return `Of ${judged.length} orderings, ${parts.join(', ')}.`
}

/** The whole document. */
export function documentText({ tables, results, about, parent }) {
  const { sizes, seeds } = about
  return [
    '# Results',
    '',
    'The paper ([arXiv 2411.19146](https://arxiv.org/abs/2411.19146)) explains its method by comparisons of large models. This page repeats them on the model of the quickstart (3.6 M parameters) and says where its orderings hold. The whole page was written by a command; no figure was typed in.',
    '',
    row(['', '']),
    row(['---', '---']),
    row(['command', `\`${about.command}\``]),
    row(['seeds', seeds.join(', ')]),
    row(['commit', about.commit]),
    row(['date', about.date]),
    row(['machine', about.machine]),
    row(['cost table', about.costs]),
    row(['limit', about.limit]),
    row([
      'distillation',
      `${sizes.distill.toLocaleString('en')} tokens a variant, where a table does not say otherwise`,
    ]),
    row(['uptraining', `${sizes.uptrain.toLocaleString('en')} tokens in all arms, ${sizes.batch} sequences a step`]),
    row(['measured on', `test data: up to ${sizes.items} items of each task, ${sizes.sequences} sequences of text`]),
    ...(parent ? [row(['parent', `accuracy ${points(accuracyOf(parent))} %`])] : []),
    '',
    'How to read it. Speeds are predicted by one cost table, the same in all arms, as multiples of the parent’s. KL is in nats per token; accuracy in per cent, the mean over tasks; before and after uptraining. ± is a standard error: of accuracies over the items, of KL over groups of 8 sequences; of several seeds or children, at least that between them. `to the first`: difference of the accuracies after uptraining to the first arm, in points, item by item. A verdict compares two arms on the same items and text: `holds` or `does not hold` if they differ by more than two standard errors of the difference, otherwise `within noise`. The errors do not cover what another seed would have trained, unless there are several.',
    '',
    'All this is far smaller than in the paper: 8 layers rather than 32 or 80, thousands of tokens rather than billions. An ordering that does not hold here may hold there.',
    '',
    ...tables.map((table) => tableText(table, results[table.name])),
  ].join('\n')
}
