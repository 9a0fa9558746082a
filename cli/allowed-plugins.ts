import { allowing, type Allowed, type AllowEntry } from '../plugins/loading/allowed.js'
import type { SpecOptions } from './options.js'
import { readSettings } from './settings.js'

/** Plugins that the user allows, here or in settings files. */
export const allowedPlugins = (options: SpecOptions): Allowed => {
  const { flags, settings } = allowEntries(options)
  return allowing([...flags, ...settings])
}

/** The plugins that the user allows, as written on the command line and in settings files. */
export const allowEntries = ({
  allowPlugin = [],
}: SpecOptions): Readonly<Record<'flags' | 'settings', readonly AllowEntry[]>> => ({
  flags: allowPlugin.map((text) => ({ text, folder: process.cwd() })),
  settings: readSettings().allowPlugins,
})
