/** Every tag of a message between two ranks stands here. A round's tag is LK_TAG_EXCHANGE plus its number. */
#ifndef LK_COMM_TAGS_H
#define LK_COMM_TAGS_H

enum {
    LK_TAG_EXCHANGE = 100, /* + round; rounds stay below 1,000 */
};

#endif
