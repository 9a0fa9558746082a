// The tables of docs/results.md: their arms, and what the paper says about them. An arm names only how it differs from the
// reference: variants distilled alone, also beside a removed slot; every pair of variants scored, by KL; the best choice by
// mixed-integer programming; uptrained by the cosine and KL terms.

/** Name of the arm that the others differ from. */
export const reference = 'reference'

const at = (factor) => (factor < 1 ? `1/${1 / factor}` : `${factor}`)
const random = Array.from({ length: 20 }, (_, i) => ({ name: `random ${i + 1}`, choose: `random-${i + 1}` }))
const byLosses = (name, losses) => ({ name, losses })

/** A claim of the paper: the first arm does better than the second. `when`: before or after uptraining. */
const claim = (better, worse, when, measure, paper) => ({ better, worse, when, measure, paper })
/** Both measures at once. */
const claims = (better, worse, when, paper) => [
  claim(better, worse, when, 'accuracy', paper),
  claim(better, worse, when, 'kl', paper),
]

export const tables = [
  {
    name: 'search',
    title: 'How the child is chosen',
    text: 'The same scores, costs and limit; only the choice differs. `no-op only` is the best choice of the parent’s blocks and removed ones, `homogeneous` the best choice that is the same in all layers, `depth` the removal of whole layers, each measured on top of the earlier ones, until the limit is met. The random choices are drawn from the library and repaired to meet the limit.',
    arms: [
      { name: reference, label: 'MIP' },
      { name: 'marginal greedy', choose: 'marginal-greedy' },
      { name: 'greedy of the paper', choose: 'greedy' },
      { name: 'homogeneous', choose: 'homogeneous' },
      { name: 'depth', choose: 'depth' },
      { name: 'no-op only', choose: 'no-op' },
      ...random,
    ],
    together: { name: 'random', arms: random.map(({ name }) => name) },
    claims: [
      ...claims(reference, 'greedy of the paper', 'before', 'MMLU 78.39 by MIP, 70.74 by greedy (table 13)'),
      ...claims(reference, 'no-op only', 'before', 'MMLU 78.39 of the full space, 75.40 of no-op only (table 12)'),
      ...claims(reference, 'random', 'after', '84.30 by MIP, 74.01 at random, after 10B tokens (table 15)'),
      ...claims(reference, 'marginal greedy', 'before', 'not in the paper'),
      ...claims(reference, 'homogeneous', 'after', 'not in the paper'),
      ...claims(reference, 'depth', 'after', 'not in the paper'),
    ],
  },
  {
    name: 'gkd',
    title: 'The loss of uptraining',
    text: 'The same child, trained with the same tokens by different sums of terms. `none` is the child before uptraining.',
    arms: [
      { name: reference, label: 'cosine + KL' },
      byLosses('none', []),
      byLosses('LM', ['lm']),
      byLosses('cosine', ['cosine']),
      byLosses('KL', ['kl']),
      byLosses('LM + cosine', ['lm', 'cosine']),
      byLosses('LM + KL', ['lm', 'kl']),
      byLosses('LM + cosine + KL', ['lm', 'cosine', 'kl']),
    ],
    claims: [
      ...claims(reference, 'none', 'after', '84.16, without uptraining 82.55; KL 0.11, 0.19 (table 17)'),
      claim(reference, 'KL', 'after', 'accuracy', '84.16, KL alone 83.07'),
      claim('KL', reference, 'after', 'kl', 'KL 0.10 by KL alone, 0.11 with the cosine'),
      ...claims(reference, 'cosine', 'after', '84.16, cosine alone 83.40; KL 0.11, 0.16'),
      claim('cosine', 'KL', 'after', 'accuracy', '83.40 by the cosine, 83.07 by KL'),
      ...claims(reference, 'LM + KL', 'after', '84.16, with LM instead of the cosine 83.88; KL 0.11, 0.14'),
      ...claims(reference, 'LM + cosine + KL', 'after', '84.16, with LM as well 83.03; KL 0.11, 0.14'),
      ...claims('none', 'LM', 'after', '82.55 without uptraining, 77.83 by LM alone; KL 0.19, 0.31'),
      ...claims('none', 'LM + cosine', 'after', '82.55 without uptraining, 78.52 by LM and cosine; KL 0.19, 0.30'),
    ],
  },
  {
    name: 'distillation',
    title: 'How variants are trained before they are scored',
    text: 'Each library is scored and searched by itself. `none`: training-free weights. `closed form`: only the last matrix of each variant is solved for, by least squares on as many tokens. `coupled`: every pair of a layer’s variants is also trained together, with the same tokens.',
    arms: [
      { name: reference, label: 'decoupled' },
      { name: 'none', distill: { training: 'none' } },
      { name: 'closed form', distill: { training: 'closed-form' } },
      { name: 'coupled', distill: { mode: 'coupled' } },
    ],
    claims: [
      ...claims(reference, 'none', 'before', 'assumed, not measured'),
      ...claims(reference, 'none', 'after', 'assumed, not measured'),
      ...claims('closed form', 'none', 'before', 'not in the paper'),
      ...claims(reference, 'closed form', 'before', 'not in the paper'),
      ...claims('coupled', reference, 'after', '73.98 coupled on a smaller space, 72.92 decoupled (table 8)'),
    ],
  },
  {
    name: 'partner',
    title: 'Whether the partner of a removed slot is trained',
    text: 'By default every variant is trained a second time beside a removed slot, the parent’s own block too.',
    arms: [
      { name: reference, label: 'trained' },
      { name: 'not trained', distill: { besideNoOp: 'none' } },
    ],
    claims: [
      ...claims(reference, 'not trained', 'before', 'not in the paper; MMLU .5910 to .7277 in its authors’ later code'),
      ...claims(reference, 'not trained', 'after', 'not in the paper'),
    ],
  },
  {
    name: 'tokens',
    title: 'Tokens of distillation',
    text: 'Tokens of each variant, as multiples of the reference’s.',
    arms: [
      { name: reference, label: 'x 1' },
      ...[1 / 4, 1 / 2, 2].map((factor) => ({ name: `x ${at(factor)}`, tokens: factor })),
    ],
    claims: [
      ...claims(reference, 'x 1/4', 'before', 'MMLU 78.54 with 1B tokens, 78.27 with a quarter (table 10)'),
      ...claims(reference, 'x 1/2', 'before', 'MMLU 78.54 with 1B tokens, 78.44 with half'),
      ...claims('x 2', reference, 'before', 'not in the paper'),
    ],
  },
  {
    name: 'scores',
    title: 'What a replacement is scored by',
    text: 'The columns of `puzzleflow scores`: KL, the change of the loss for the next token, the normalised error of the last hidden states, and the share of positions where the most likely token changes; and by 20 items of each task, the accuracy lost.',
    arms: [
      { name: reference, label: 'KL' },
      { name: 'loss', score: 'lossDelta' },
      { name: 'hidden states', score: 'nmse' },
      { name: 'top token', score: 'top1' },
      { name: 'accuracy on tasks', scoring: { objective: 'accuracy', items: 20 } },
    ],
    claims: [
      ...claims(reference, 'loss', 'after', '72.92 by KL, 72.40 by loss at the tightest limit (figure 7)'),
      ...claims(reference, 'hidden states', 'after', 'not in the paper'),
      ...claims(reference, 'top token', 'after', 'not in the paper'),
      claim(
        'accuracy on tasks',
        reference,
        'after',
        'accuracy',
        'half of MMLU 66.24 by the other half, 64.94 by KL (table 11)',
      ),
    ],
  },
  {
    name: 'composition',
    title: 'Measured and composed scores of pairs',
    text: 'Pairs of changed blocks in a layer: each one measured, or composed of the scores of its two blocks. Pairs with a removed slot are measured in every arm, since their partner has weights of its own.',
    arms: [
      { name: reference, label: 'measured' },
      { name: 'sum', composition: 'sum' },
      { name: 'root of squares', composition: 'rss' },
    ],
    claims: [
      ...claims(reference, 'sum', 'before', 'not in the paper, which measures every pair'),
      ...claims(reference, 'root of squares', 'before', 'not in the paper'),
    ],
  },
]

export const tableNames = tables.map(({ name }) => name)
