/** Every tag of a message between two ranks stands here. A message of the exchange has LK_TAG_EXCHANGE +
 * segment * rounds + round. */
#ifndef LK_COMM_TAGS_H
#define LK_COMM_TAGS_H

enum {
    LK_TAG_LINK = 99,
    LK_TAG_EXCHANGE = 100, /* and all above */
};

#endif
