import { Failure } from '../api/index.js'
import { configuredAddress, holdsCredentials } from '../server/index.js'
import type { Common } from './options.js'
import { readSettings, settingsPlaces } from './settings.js'

/**
 * The Temporal server that the user names: on the command line, for Temporal's tools, or in settings files.
 * @throws Failure InvalidInput if the file of the current folder names it, which may be a stranger's, and the user's
 *   credentials would go there
 */
export function addressOf({ address }: Common): string | undefined {
  const named = address ?? configuredAddress()
  if (named !== undefined) return named
  const { address: found, addressFile } = readSettings()
  const [ofFolder, ofUser] = settingsPlaces()
  if (found !== undefined && addressFile !== undefined && addressFile === ofFolder && holdsCredentials())
    throw new Failure(
      'InvalidInput',
      `${addressFile} names the server ${found}, but Temporal's settings hold a key or certificate and do not say that it is for that server`,
      {
        file: addressFile,
        remedy: `If it is: --address ${found}, TEMPORAL_ADDRESS=${found}, or the line \`address: ${found}\` in ${ofUser}.`,
      },
    )
  return found
}
