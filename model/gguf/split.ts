import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { Failure } from '../../api/index.js'
import { partName } from '../../files/gguf-parts.js'
import { kept } from '../kept.js'
import { GgufFile, type GgufTensor } from './container.js'

/** Opens a GGUF file; if it is one of several parts, together with the others. Reads and checks their headers.
 *  @throws Failure InvalidInput naming the part that is missing or belongs to another model */
export const openWhole = kept(open, (path) => partName(path)?.all ?? [path])

function open(path: string): GgufFile {
  const file = GgufFile.open(path)
  const count = numberOf(file, 'split.count') ?? 1
  if (count <= 1) return file
  const { all } = namesOf(file, count)
  const missing = all.filter((part) => !existsSync(part))
  if (missing.length > 0)
    throw bad(
      file,
      `is part ${numberOf(file, 'split.no')! + 1} of ${count}, and ${missing.length} ${missing.length === 1 ? 'part is' : 'parts are'} missing: ${missing.map((part) => basename(part)).join(', ')}`,
      'Fetch all parts of the model into one folder.',
    )
  const parts = all.map((part) => (part === path ? file : GgufFile.open(part)))
  for (const [i, part] of parts.entries()) checkPlace(part, i, count)
  return GgufFile.joined(parts[0]!, tensorsOf(parts))
}

const bad = ({ path }: GgufFile, message: string, remedy: string) =>
  new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy })

const sameSource = 'Fetch all parts of one model from one source, and keep their names.'

function numberOf(file: GgufFile, key: string): number | undefined {
  const value = file.keys.get(key)
  return typeof value === 'number' ? value : undefined
}

/** Derives the paths of all parts from the path of one. */
function namesOf(file: GgufFile, count: number) {
  const name = partName(file.path)
  if (name?.count === count) return name
  const number = (numberOf(file, 'split.no') ?? 0) + 1
  const five = (n: number) => String(n).padStart(5, '0')
  throw bad(
    file,
    `is part ${number} of ${count} of a split model, but its name does not say so`,
    `Give the parts their original names: NAME-${five(number)}-of-${five(count)}.gguf for this one; or join them into one file with \`llama-gguf-split --merge\`.`,
  )
}

/** Checks that a part's keys agree with its name. */
function checkPlace(part: GgufFile, index: number, count: number): void {
  const [no, of] = [numberOf(part, 'split.no'), numberOf(part, 'split.count')]
  if (no === index && of === count) return
  const said = no === undefined || of === undefined ? 'is not a part of a split model' : `is part ${no + 1} of ${of}`
  throw bad(part, `${said} (split.no, split.count), but its name says part ${index + 1} of ${count}`, sameSource)
}

/** Returns the tensors of all parts. Each part states how many there are together. */
function tensorsOf(parts: readonly GgufFile[]): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>()
  for (const part of parts)
    for (const [name, tensor] of part.tensors) {
      const other = tensors.get(name)
      if (other) throw bad(part, `has the tensor ${name}, which is also in ${basename(other.file)}`, sameSource)
      tensors.set(name, tensor)
    }
  for (const part of parts) {
    const said = numberOf(part, 'split.tensors.count') ?? tensors.size
    if (said !== tensors.size)
      throw bad(
        part,
        `is part of a model of ${said} tensors (split.tensors.count), but all parts together have ${tensors.size}`,
        sameSource,
      )
  }
  return tensors
}

/** Refuses GGUF files that are not models: files for images or adapters, statistics, vocabularies.
 *  @throws Failure InvalidInput */
export function refuseOther(file: GgufFile): void {
  const text = (key: string) => file.keys.get(key)
  const [type, architecture] = [text('general.type'), text('general.architecture')]
  const model = 'Give the GGUF file of the language model itself.'
  if (type === 'mmproj' || architecture === 'clip')
    throw bad(file, 'encodes images or sound for a model (mmproj), and is not the language model', model)
  if (type === 'adapter')
    throw bad(
      file,
      'is an adapter (LoRA), not a whole model',
      'Merge it into its base model first, with `llama-export-lora`.',
    )
  if (type === 'imatrix' || [...file.keys.keys()].some((key) => key.startsWith('imatrix.')))
    throw bad(file, 'is an importance matrix (imatrix), not a model', model)
  if (file.tensors.size === 0 && architecture !== undefined)
    throw bad(file, 'holds a vocabulary and no weights', 'Give the GGUF file of the whole model.')
}
