import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from '../api/index.js'
import { refuseStandIn } from '../files/stand-in.js'
import { chatTemplateFiles } from './chat-files.js'
import { ggufOf, openGguf } from './gguf/read.js'
import { readGgufTokenizer, tokenizerJson, type GgufTokenizer } from './gguf/read-tokenizer.js'
import { companions, modelFile } from './model-files.js'
import { readTokenizerFile, tokenizerConfig, withAddedTokens } from './special-tokens.js'
import { instead } from './weight-files.js'

/** The text of a model's config.json; of a GGUF file, of one that says the same.
 *  @throws Failure InvalidInput */
export async function configText(folder: string): Promise<string> {
  const gguf = ggufOf(folder)
  if (gguf !== undefined) return (await openGguf(gguf)).config
  const file = modelFile(folder, 'config.json')
  refuseStandIn(file)
  return readFile(file, 'utf8').catch((error: Error) => {
    throw (
      instead(folder) ??
      new Failure('InvalidInput', `${file} cannot be read: ${error.message}`, {
        file,
        remedy: 'The model must be a folder with config.json, safetensors files and tokenizer.json, or a GGUF file.',
      })
    )
  })
}

/** Writes into a folder what a model has beside config.json and the weights: copies of its files, or, of a GGUF file's
 *  tokenizer, files that say the same. */
export async function copyCompanions(folder: string, to: string): Promise<void> {
  const gguf = ggufOf(folder)
  if (gguf === undefined) {
    for (const name of companions)
      if (existsSync(modelFile(folder, name))) await copyFile(modelFile(folder, name), join(to, name))
    for (const name of chatTemplateFiles(folder)) {
      await mkdir(dirname(join(to, name)), { recursive: true })
      await copyFile(join(folder, name), join(to, name))
    }
    return
  }
  const tokenizer = readGgufTokenizer(gguf)
  if (!tokenizer) return
  await writeFile(join(to, 'tokenizer.json'), JSON.stringify(tokenizerJson(tokenizer)))
  await writeFile(join(to, 'tokenizer_config.json'), `${JSON.stringify(tokenizer.config, null, 2)}\n`)
}

/** The tokenizer of a GGUF file.
 *  @throws Failure InvalidInput where it has none for texts */
export function ggufTokenizer(file: string): GgufTokenizer {
  const tokenizer = readGgufTokenizer(file)
  if (tokenizer) return tokenizer
  throw new Failure('InvalidInput', `${file} has no tokenizer for text`, { file, remedy: 'Give token ids.' })
}

/** A model's tokenizer.json and tokenizer_config.json, {} where it has none; of a GGUF file, what says the same.
 *  @throws Failure InvalidInput */
export function tokenizerFiles(folder: string): {
  readonly file: string
  readonly json: object
  readonly config: object
} {
  const gguf = ggufOf(folder)
  if (gguf !== undefined) {
    const tokenizer = ggufTokenizer(gguf)
    return { file: gguf, json: tokenizerJson(tokenizer), config: tokenizer.config }
  }
  const config = tokenizerConfig(folder)
  const json = withAddedTokens(folder, readTokenizerFile(folder, 'tokenizer.json'), config)
  return { file: modelFile(folder, 'tokenizer.json'), json, config }
}
