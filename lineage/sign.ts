import type { Store } from '../store/index.js'
import { inWindow } from './in-window.js'
import { readRecords } from './inventory.js'

/** Folders of documents in a store. */
const folders = ['runs', 'plans', 'folders']

/** Number of parallel requests, since a remote store answers each one late. */
const atOnce = 16

/** Signs the records and documents of a store as they are: what somebody else has written counts as the user's from then on.
 *  @param unsigned  the store, opened without its key  @param signing  the same, with it */
export async function signStore(unsigned: Store, signing: Store): Promise<{ records: number; documents: number }> {
  const records = [...(await readRecords(unsigned)).values()]
  await inWindow(records, atOnce, ({ record }) => signing.putRecord(record))
  const names = (await Promise.all(folders.map((folder) => unsigned.listDocuments(folder)))).flat()
  await inWindow(names, atOnce, async (name) => signing.putDocument(name, await unsigned.getDocument(name)))
  return { records: records.length, documents: names.length }
}
