/** What may stand where a record should, and is none. */

/** Of a region. */
export const NO_REGIONS = [
  '',
  'garbage',
  'ab 3 0 0 0',
  'ab 3 0 0 0 - ',
  'ab 3 0 0 0 - more',
  'ab 3 0 0 0 x',
  'ab 3 0 0 0 -\n',
  'xy 3 0 0 0 -',
  'ab -3 0 0 0 -',
  'ab 3 0 0 0 1e3',
  // More than seq says that there has been.
  'ab 3 4 0 0 5',
  'ab 3 0 4 0 -',
  'ab 3 0 0 4 -',
  // More than 15 digits.
  'ab 1000000000000000 0 0 0 -',
  'ab 3 0000000000000003 0 0 -',
  'ab 3 0 0000000000000003 0 -',
  'ab 3 0 0 0000000000000003 -',
  'ab 3 0 0 0 1000000000000000',
];

/** Of a tag. */
export const NO_TAG_RECORDS = ['', 'ab 1', 'ab 1 1 1', 'ab x 1', 'ab 1000000000000000 1', 'ab 1 0000000000000001'];

/** Of a tag whose region is `ab`, and has counted to 3: no invalidation has said so. */
export const BEYOND_THE_REGION = ['ab 4 0', 'ab 0 4', 'ab 999999999999999 999999999999999'];
