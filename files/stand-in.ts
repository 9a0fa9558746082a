import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { Failure } from '../errors/failure.js'
import { refuseIrregular, refuseLarge } from './irregular.js'

/** A file that is not what its name says: what it is, and what to do about it. */
export interface StandIn {
  readonly what: string
  readonly remedy: string
}

/** Bytes from the beginning of a file that show what it is. */
const looked = 1024

const fetchAgain = 'Download the file again, with its full address and an access token if it needs one.'
const unpickle =
  'Reading such a file can run code, so puzzleflow never reads one. Use the safetensors of this model, or convert it: if you trust it, load it with transformers and call `save_pretrained`.'

/** What tools leave in place of a file until its content is fetched. */
const pointers: readonly (StandIn & { readonly begins: RegExp })[] = [
  {
    begins: /^version https:\/\/(git-lfs\.github\.com|hawser\.github\.com)\/spec\//,
    what: 'is a Git LFS pointer, not the file itself',
    remedy: 'Fetch the content: `git lfs install` and `git lfs pull` where it was cloned.',
  },
  {
    begins: /^# xet version \d/,
    what: 'is a Git Xet pointer, not the file itself',
    remedy: 'Fetch the content: install git-xet, and `git lfs pull` where it was cloned.',
  },
  {
    begins: /^\.\.\/(\.\.\/)*blobs\/[0-9a-f]{40,64}\s*$/,
    what: 'holds the text of a symbolic link, not the file itself',
    remedy: 'Copy the folder again and follow links: `cp -rL`.',
  },
]

/** What else is found under a model file's name. */
const others: readonly (StandIn & { readonly begins: RegExp })[] = [
  {
    begins: /^\s*<(!doctype|html|\?xml|head|error)\b/i,
    what: 'is a web page, not the file itself',
    remedy: fetchAgain,
  },
  {
    begins:
      /^\s*(entry not found|not found|404\b|401\b|403\b|invalid (username|credentials)|access to (model|dataset)|unauthorized|forbidden|repository not found)/i,
    what: 'holds a server’s refusal, not the file itself',
    remedy: fetchAgain,
  },
]

/** Files of other kinds. */
const containers: readonly (StandIn & { readonly begins: RegExp })[] = [
  { begins: /^PK\x03\x04/, what: 'is a zip archive, as PyTorch writes its checkpoints', remedy: unpickle },
  { begins: /^\x80[\x02-\x05]/, what: 'is a Python pickle, as PyTorch wrote its checkpoints', remedy: unpickle },
  { begins: /^\x1f\x8b\x08/, what: 'is packed with gzip', remedy: 'Unpack it: `gunzip`.' },
  { begins: /^\x28\xb5\x2f\xfd/, what: 'is packed with zstd', remedy: 'Unpack it: `unzstd`.' },
  {
    begins: /^GGUF/,
    what: 'is a GGUF file',
    remedy: 'Give it a name that ends in .gguf, and use its path as the model.',
  },
  { begins: /^\x89HDF/, what: 'is an HDF5 file, as Keras writes', remedy: 'Use the safetensors of this model.' },
]

/** How a safetensors file begins: with a length, whose low bytes may be those of another kind's. */
const safetensors = /^[^]{4}\0{4}\{/

/** Describes a file that only points to another; undefined for any other file, and for one that cannot be read. */
export function pointerOf(path: string): StandIn | undefined {
  const begin = beginOf(path)
  return begin && pointerIn(begin)
}

/**
 * Refuses a file that only points to another, such as Git LFS leaves if contents were not fetched. Accepts a file that
 * cannot be read: its reader reports that.
 * @throws Failure InvalidInput
 */
export const refusePointer = (path: string): void => refuse(path, pointerOf(path))

/** Extensions that unfinished downloads add to a file's name. */
const unfinished = ['.aria2', '.incomplete', '.part', '.crdownload', '.partial', '.!qB', '.download']

/**
 * Refuses what stands in for a model's file: a pointer, a web page or a server's refusal, a container of another kind, an
 * unfinished download, an empty file, a named pipe, a file larger than any of its kind. Accepts a file that cannot be read: its
 * reader reports that.
 * @param mostBytes  of a file that is held in memory. @default no bound
 * @throws Failure InvalidInput
 */
export function refuseStandIn(path: string, mostBytes = Infinity): void {
  refuseIrregular(path)
  refuseLarge(path, mostBytes)
  const begin = beginOf(path)
  if (begin) refuse(path, standInOf(path, begin))
}

function standInOf(path: string, begin: Begin): StandIn | undefined {
  const { text, size } = begin
  // aria2 makes a file as long as it will be, and fills it.
  if (existsSync(`${path}.aria2`))
    return {
      what: `is incomplete: ${basename(path)}.aria2 next to it means that the download has not finished`,
      remedy: 'Finish the download: run the same aria2c command again.',
    }
  if (size === 0) return { what: 'is empty', remedy: 'Copy the file from its source again.' }
  if (safetensors.test(text) || (path.endsWith('.gguf') && text.startsWith('GGUF'))) return undefined
  return pointerIn(begin) ?? [...others, ...containers].find(({ begins }) => begins.test(text))
}

/** What to say about a missing file if its download has begun but not finished; undefined if it has not begun. */
export function unfinishedOf(path: string): string | undefined {
  const found = unfinished.find((extension) => existsSync(`${path}${extension}`))
  return found === undefined ? undefined : `its download has not finished: there is ${basename(path)}${found}`
}

const pointerIn = ({ text, size }: Begin): StandIn | undefined =>
  size < looked ? pointers.find(({ begins }) => begins.test(text)) : undefined

function refuse(path: string, found: StandIn | undefined): void {
  if (found) throw new Failure('InvalidInput', `${path}: ${found.what}`, { file: path, remedy: found.remedy })
}

/** The first bytes of a file, in latin1, and how many it has. */
interface Begin {
  readonly text: string
  readonly size: number
}

/** Undefined where it cannot be read. */
function beginOf(path: string): Begin | undefined {
  let descriptor: number | undefined
  try {
    const stat = statSync(path)
    // A pipe gives its bytes once.
    if (!stat.isFile()) return undefined
    descriptor = openSync(path, 'r')
    const bytes = Buffer.alloc(looked)
    return { text: bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, looked, 0)), size: stat.size }
  } catch {
    return undefined
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
