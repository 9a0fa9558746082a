import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { refuseIrregular } from '../../files/irregular.js'
import { refuseLinkOutside } from '../../files/links.js'
import type { Model } from '../model.js'
import type { CheckpointType } from '../safetensors.js'
import type { ComputedBy } from './config.js'
import { slots } from '../../api/index.js'

/** The model card, and how long one can be that is read. */
const [cardFile, mostCardBytes] = ['README.md', 2 ** 22]

/** Heading of the evidence: measurements that stay with the model when it is exported again. */
const evidenceHeading = '## Evidence'

/** Writes the model card of an exported folder. Evidence in the card of the model's own folder is carried over if it is about
 *  the same model. */
export async function modelCard(
  { folder, config, blocks }: Pick<Model, 'folder' | 'config' | 'blocks'>,
  computedBy: ComputedBy,
  { dtype, sameEvidence = true }: { readonly dtype: CheckpointType; readonly sameEvidence?: boolean },
): Promise<string> {
  const before = join(folder, cardFile)
  const evidence = sameEvidence && existsSync(before) ? evidenceIn(folder) : undefined
  const changed = config.blocks.flatMap((own, layer) => {
    const parent = config.ownBlocks[layer]!
    const differs = slots.some((slot) => JSON.stringify(own[slot]) !== JSON.stringify(parent[slot]))
    return differs ? [layer] : []
  })
  const name = (slot: 'attention' | 'ffn', layer: number) => {
    const { block, params } = config.blocks[layer]![slot]
    return blocks.get(slot, block).id(params)
  }
  const layers = [
    '| layer | attention | FFN |',
    '|---:|---|---|',
    ...config.blocks.map((_, layer) => `| ${layer} | ${name('attention', layer)} | ${name('ffn', layer)} |`),
  ]
  return [
    '---',
    'library_name: transformers',
    'pipeline_tag: text-generation',
    'tags: [puzzleflow]',
    '---',
    '',
    `# ${basename(resolve(folder))}`,
    '',
    changed.length === 0
      ? `A model of the family ${config.family} with ${config.layers} layers, stored as ${dtype}.`
      : `A child of a model of the family ${config.family}: in ${changed.length} of its ${config.layers} layers, a sub-block differs from the parent's. Stored as ${dtype}. The parent's licence and terms apply to it, too.`,
    '',
    '## Use',
    '',
    ...use(computedBy),
    ...(changed.length === 0 ? [] : ['## Layers', '', ...layers, '']),
    ...(evidence === undefined ? [] : [evidence]),
  ].join('\n')
}

/** The evidence of the card in a model's folder, which is copied. */
function evidenceIn(folder: string): string | undefined {
  const card = join(folder, cardFile)
  refuseIrregular(card)
  refuseLinkOutside(folder, cardFile)
  return statSync(card).size > mostCardBytes ? undefined : evidenceOf(readFileSync(card, 'utf8'))
}

function use(computedBy: ComputedBy): string[] {
  if (computedBy.kind === 'nobody')
    return [`puzzleflow reads this folder; transformers does not: ${computedBy.why}.`, '']
  const trust = computedBy.kind === 'own-code'
  return [
    '```python',
    'from transformers import AutoModelForCausalLM, AutoTokenizer',
    '',
    `model = AutoModelForCausalLM.from_pretrained(folder${trust ? ', trust_remote_code=True' : ''})`,
    'tokenizer = AutoTokenizer.from_pretrained(folder)',
    '```',
    '',
    ...(trust
      ? [
          'Its layers differ, so `modeling_puzzleflow.py` beside the weights computes it: a short file to read before you trust it.',
          '',
        ]
      : []),
  ]
}

/** Returns the evidence of a card, from its heading to the end; undefined if it has none. */
const evidenceOf = (card: string): string | undefined => {
  const at = card.indexOf(`\n${evidenceHeading}\n`)
  return at < 0 ? undefined : card.slice(at + 1)
}

/**
 * Puts evidence at the end of a model card, in place of any earlier evidence.
 * @param card   Markdown of the model card
 * @param pages  Markdown; its headings move down two levels
 * @returns the new model card
 */
export function withEvidence(card: string, pages: string): string {
  const before = evidenceOf(card)
  const kept = before === undefined ? card : card.slice(0, card.length - before.length)
  return `${kept.trimEnd()}\n\n${evidenceHeading}\n\n${pages.replace(/^#/gm, '###').trim()}\n`
}
