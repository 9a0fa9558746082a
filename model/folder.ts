import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure, type JsonObject } from '../api/index.js'
import { refuseStandIn } from '../files/stand-in.js'
import { ggufOf, openGguf } from './gguf/read.js'
import { readGgufTokenizer, tokenizerJson, type GgufTokenizer } from './gguf/read-tokenizer.js'
import { companionsOf, modelFile, mostConfigBytes } from './model-files.js'
import { readTokenizerFile, tokenizerConfig, withAddedTokens } from './special-tokens.js'
import { instead } from './weight-files.js'

/** Reads the text of a model's config.json, or of an equivalent one for a GGUF file.
 *  @throws Failure InvalidInput if it cannot be read */
export async function configText(folder: string): Promise<string> {
  const gguf = ggufOf(folder)
  if (gguf !== undefined) return (await openGguf(gguf)).config
  const file = modelFile(folder, 'config.json')
  refuseStandIn(file, mostConfigBytes)
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code !== 'ENOENT'
        ? `${file} cannot be read: ${error.message}`
        : existsSync(folder)
          ? `${folder} has no config.json`
          : `There is no model ${folder}`
    throw (
      instead(folder) ??
      new Failure('InvalidInput', why, {
        file,
        remedy: 'The model must be a folder with config.json, safetensors files and tokenizer.json, or a GGUF file.',
      })
    )
  })
}

/** Copies the files that a model has besides config.json and the weights into a folder. For a GGUF file, writes the equivalent
 *  tokenizer files.
 *  @throws Failure InvalidInput for a GGUF file whose tokenizer is not supported */
export async function copyCompanions(folder: string, to: string): Promise<void> {
  const gguf = ggufOf(folder)
  if (gguf === undefined) {
    for (const name of companionsOf(folder)) {
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

/** Reads the tokenizer of a GGUF file.
 *  @throws Failure InvalidInput if it has no tokenizer for text */
export function ggufTokenizer(file: string): GgufTokenizer {
  const tokenizer = readGgufTokenizer(file)
  if (tokenizer) return tokenizer
  throw new Failure('InvalidInput', `${file} has no tokenizer for text`, { file, remedy: 'Give token ids.' })
}

/** Reads a model's tokenizer.json and tokenizer_config.json ({} if missing), or their equivalents from a GGUF file.
 *  @throws Failure InvalidInput if they cannot be read */
export function tokenizerFiles(folder: string): {
  readonly file: string
  readonly json: JsonObject
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
