/** Names of the supported filters. */
export const filterNames: ReadonlySet<string> = new Set(
  `abs attr batch capitalize center count d default dictsort e escape first float forceescape format
   groupby indent int items join last length list lower map max min reject rejectattr replace reverse
   round safe select selectattr slice sort string sum title tojson trim truncate unique upper urlencode
   wordcount`.split(/\s+/),
)

/** Names of Jinja's filters that are not supported: using one is an error. */
export const refusedFilters: ReadonlySet<string> = new Set(
  'filesizeformat pprint random striptags urlize wordwrap xmlattr'.split(' '),
)

/** Whether Jinja has a filter of this name. */
export const hasFilter = (name: string): boolean => filterNames.has(name) || refusedFilters.has(name)
