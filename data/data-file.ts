import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { constants, gunzipSync } from 'node:zlib'
import { refusePointer } from '../files/stand-in.js'
import { Failure } from '../api/index.js'

/** The format of a data file. */
export interface FileLook {
  /** `json`: JSON lines, a list, or a sequence of values; `table`: CSV and similar formats; `text`: plain text. */
  readonly kind: 'json' | 'table' | 'parquet' | 'text'
  readonly packed?: 'gzip'
  readonly encoding: 'utf-8' | 'utf-16le' | 'utf-16be'
  /** The beginning of its contents, unpacked and decoded; '' for Parquet. */
  readonly start: string
}

/** Number of bytes that are examined. */
const looked = 2 ** 16

/** Number of bytes of a packed file that are unpacked and examined. gzip packs zeros to a thousandth: even so, this stays
 *  small. */
const packedLooked = 2 ** 12

interface Signature {
  readonly bytes: string
  readonly at?: number
  readonly what: string
  readonly remedy: string
}

const asParquetOrLines = 'give it as .parquet or .jsonl'
const convert = 'Write it as .jsonl (a line {"text": "…"} for each document) or .parquet.'
const fromArrow = `Open it with Hugging Face datasets or pyarrow, and ${asParquetOrLines}: load_from_disk("FOLDER").to_parquet("train.parquet").`

/** First bytes, in hexadecimal, of formats that are not supported. */
const signatures: readonly Signature[] = [
  {
    bytes: '28b52ffd',
    what: 'is compressed with zstd',
    remedy: 'Unpack it: `zstd -d FILE`; or compress it with gzip.',
  },
  {
    bytes: '314159265359',
    at: 4,
    what: 'is compressed with bzip2',
    remedy: 'Unpack it: `bunzip2 -k FILE`; or compress it with gzip.',
  },
  {
    bytes: 'fd377a585a00',
    what: 'is compressed with xz',
    remedy: 'Unpack it: `xz -dk FILE`; or compress it with gzip.',
  },
  { bytes: '04224d18', what: 'is compressed with lz4', remedy: 'Unpack it: `lz4 -d FILE`; or compress it with gzip.' },
  { bytes: '504b0304', what: 'is a zip archive', remedy: 'Unpack it (`unzip FILE`), and give a file from it.' },
  { bytes: '504b0506', what: 'is a zip archive', remedy: 'Unpack it (`unzip FILE`), and give a file from it.' },
  { bytes: '377abcaf271c', what: 'is a 7z archive', remedy: 'Unpack it (`7z x FILE`), and give a file from it.' },
  { bytes: '526172211a07', what: 'is a RAR archive', remedy: 'Unpack it, and give a file from it.' },
  {
    bytes: '7573746172',
    at: 257,
    what: 'is a tar archive',
    remedy: 'Unpack it (`tar xf FILE`), and give a file from it.',
  },
  { bytes: '4152524f57310000', what: 'is an Arrow file', remedy: fromArrow },
  { bytes: 'ffffffff', what: 'is an Arrow stream', remedy: fromArrow },
  { bytes: '46454131', what: 'is a Feather file', remedy: `Open it with pandas, and ${asParquetOrLines}.` },
  { bytes: '4f626a01', what: 'is an Avro file', remedy: convert },
  { bytes: '894844460d0a1a0a', what: 'is an HDF5 file', remedy: convert },
  {
    bytes: '934e554d5059',
    what: 'is a NumPy file',
    remedy: 'Write its token ids as .jsonl: a line {"input_ids": […]} for each sequence.',
  },
  { bytes: '53514c69746520666f726d6174203300', what: 'is an SQLite database', remedy: convert },
  { bytes: '255044462d', what: 'is a PDF', remedy: 'Write its text to a .txt file: `pdftotext FILE`.' },
  { bytes: '4747554603000000', what: 'is a GGUF model', remedy: 'Give a file with texts.' },
  { bytes: 'fffe0000', what: 'is UTF-32', remedy: 'Write it as UTF-8: `iconv -f UTF-32 -t UTF-8 FILE`.' },
  { bytes: '0000feff', what: 'is UTF-32', remedy: 'Write it as UTF-8: `iconv -f UTF-32 -t UTF-8 FILE`.' },
]

const kindsByName: readonly [RegExp, FileLook['kind']][] = [
  [/\.(jsonl|ndjson|jl|json)$/, 'json'],
  [/\.(csv|tsv|tab)$/, 'table'],
  [/\.(parquet|pq)$/, 'parquet'],
]

/** A file's name in lower case, without the extension of a compression format. */
export const plainName = (path: string): string => path.toLowerCase().replace(/\.(gz|gzip|zst|bz2|xz|lz4|zip)$/, '')

/**
 * Determines the format of a data file. Its first bytes show its compression and encoding, and formats that are not text; its
 * name shows which kind of text it is. JSON under another name is refused.
 * @param remedy  for a file that cannot be opened
 * @throws Failure InvalidInput for an unsupported format, with a way to convert it
 */
export function lookAt(path: string, remedy = 'Give the path of a readable file.'): FileLook {
  const bad = (what: string, remedy: string) =>
    new Failure('InvalidInput', `${path}: ${what}`, { file: path, remedy: remedy.replaceAll('FILE', path) })
  let bytes: Buffer = firstBytes(path, remedy)
  refusePointer(path)
  const packed = bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b ? 'gzip' : undefined
  if (packed) bytes = unpackedStart(bytes.subarray(0, packedLooked))
  if (packed && bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw bad('is compressed with gzip twice', 'Unpack it once: `gunzip FILE`.')
  const inside = packed ? ', compressed with gzip' : ''
  const begins = ({ bytes: hex, at = 0 }: Signature) => bytes.subarray(at, at + hex.length / 2).toString('hex') === hex
  const refused = signatures.find(begins)
  if (refused) throw bad(refused.what + inside, refused.remedy)
  const name = plainName(path)
  if (/\.(arrow|feather)$/.test(name)) throw bad('is named like an Arrow file', fromArrow)
  const byName = kindsByName.find(([pattern]) => pattern.test(name))?.[1] ?? 'text'
  if (bytes.subarray(0, 4).toString('latin1') === 'PAR1') {
    if (packed)
      throw bad('is a Parquet file, compressed with gzip', 'Unpack it: `gunzip FILE`. Parquet compresses by itself.')
    return { kind: 'parquet', encoding: 'utf-8', start: '' }
  }
  const encoding = encodingOf(bytes)
  // The last character may be incomplete.
  const start = new TextDecoder(encoding).decode(bytes).replace(/\ufffd+$/, '')
  if (encoding === 'utf-8' && bytes.includes(0))
    throw bad(
      'is not text: it has NUL bytes',
      'Give UTF-8, or UTF-16 with a byte order mark, plain or compressed with gzip; or a .parquet file.',
    )
  if (byName === 'parquet')
    throw bad(
      'is not a Parquet file, although its name says so',
      isJson(start)
        ? `It is JSON: name it .jsonl.`
        : 'Fetch it again, or give it the extension of its contents: .jsonl, .csv or .txt.',
    )
  if (byName !== 'json' && isJson(start))
    throw bad(
      'holds JSON, but its name does not say so',
      'Name it .jsonl. If the JSON itself is the text to learn, put it into lines {"text": "…"} of a .jsonl file.',
    )
  return { kind: byName, ...(packed && { packed }), encoding, start }
}

/** Whether a text begins as an object does, or a list of objects. */
const isJson = (start: string): boolean => /^\s*(\[\s*)?\{\s*"(?:[^"\\\n]|\\.)*"\s*:/.test(start)

function encodingOf(bytes: Buffer): FileLook['encoding'] {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8'
}

/** @throws Failure InvalidInput */
function firstBytes(path: string, remedy: string): Buffer {
  let file: number | undefined
  try {
    const stats = statSync(path)
    if (stats.isDirectory()) throw notAFile(path)
    // Before it is opened: a named pipe would wait for somebody who writes to it.
    if (!stats.isFile())
      throw new Failure('InvalidInput', `${path}: is not a file`, {
        file: path,
        remedy: 'Give a file: it is read more than once.',
      })
    file = openSync(path, 'r')
    const bytes = Buffer.alloc(looked)
    return bytes.subarray(0, readSync(file, bytes, 0, looked, 0))
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure('InvalidInput', `${path}: ${(error as Error).message}`, {
      file: path,
      remedy,
    })
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function notAFile(path: string): Failure {
  const names = readdirSync(path).sort()
  const isDataset = names.some(
    (name) => name.endsWith('.arrow') || /^(dataset_info|state|dataset_dict)\.json$/.test(name),
  )
  if (isDataset)
    return new Failure('InvalidInput', `${path}: is a folder of Hugging Face datasets (save_to_disk)`, {
      file: path,
      remedy: `Write a split of it as a file: datasets.load_from_disk("${path}").to_parquet("train.parquet").`,
    })
  const data = names.filter((name) => kindsByName.some(([pattern]) => pattern.test(plainName(name))))
  const some = data.slice(0, 5).join(', ') + (data.length > 5 ? ', …' : '')
  return new Failure('InvalidInput', `${path}: is a folder`, {
    file: path,
    remedy: data.length > 0 ? `Give one file. It has ${some}.` : 'Give one file.',
  })
}

function unpackedStart(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, looked)
  } catch {
    // A damaged file is reported when it is read.
    return Buffer.alloc(0)
  }
}
