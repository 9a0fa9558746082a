import { readFile } from 'node:fs/promises'
import { Failure, type ArtifactRef, type SingleStage } from 'puzzleflow/plugin'

/** Cuts the text into chunks of whole paragraphs. One task, for it has no `plan`. */
export const splitText: SingleStage<{ readonly paragraphs: number }> = {
  name: 'split-text',
  version: 1,
  // Its digest enters the key of the task: another text, another key.
  reads: ['text'],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      paragraphs: { description: 'Paragraphs of a chunk.', type: 'integer', minimum: 1, default: 3 },
    },
  },

  async run(context) {
    const { paragraphs: size } = context.params
    const file = context.spec.text as string
    const paragraphs = (await readFile(file, 'utf8')).split(/\n\s*\n/).filter((text) => text.trim() !== '')
    if (paragraphs.length === 0) throw new Failure('InvalidInput', `There is no text in ${file}`, { file })
    const files: Record<string, ArtifactRef> = {}
    for (let at = 0; at < paragraphs.length; at += size) {
      const name = `chunk-${String(Object.keys(files).length).padStart(4, '0')}`
      files[name] = await context.put('text', Buffer.from(paragraphs.slice(at, at + size).join('\n\n')))
    }
    return { values: { paragraphs: paragraphs.length, chunks: Object.keys(files).length }, files }
  },
}
