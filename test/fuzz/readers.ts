import { openModel } from '../../model/index.js'
import { Tokenizer } from '../../model/tokenizer.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { Files, type Reader } from './reader.js'
import { dataReaders } from './readers/data.js'
import { modelReaders, parent } from './readers/models.js'
import { numberReaders } from './readers/numbers.js'
import { parquetReader } from './readers/parquet.js'
import { specReaders } from './readers/specs.js'
import { storeReaders } from './readers/stores.js'
import { tokenizerReaders } from './readers/tokenizers.js'
import { weightReaders } from './readers/weights.js'

/** All readers of what strangers may have written. Their files lie in this folder. */
export async function readersIn(folder: string): Promise<readonly Reader[]> {
  const files = new Files(folder)
  return [
    ...modelReaders(files),
    ...tokenizerReaders(files),
    ...weightReaders(files),
    ...dataReaders(files),
    parquetReader(files),
    ...specReaders(files, Tokenizer.open(parent)),
    ...numberReaders(files, await openModel(parent, makeBlocks())),
    ...storeReaders(files),
  ]
}
