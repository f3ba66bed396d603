/* The similarity of one plane, written once and compiled for each instruction set.

   Before it is included, LANES, TARGET and NAME must say how many floats a vector has, for which
   instructions to compile, and how to make a function's name. */

typedef float NAME(Vector) __attribute__((vector_size(4 * LANES)));
typedef float NAME(Unaligned) __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int NAME(Mask) __attribute__((vector_size(4 * LANES)));
#define Vector NAME(Vector)
#define Mask NAME(Mask)

INLINE TARGET Vector NAME(load)(const float *at)
{
    return *(const NAME(Unaligned) *)at;
}

INLINE TARGET void NAME(store)(float *at, Vector values)
{
    *(NAME(Unaligned) *)at = values;
}

/* Load the first of up to LANES numbers; the others are 0. */
INLINE TARGET Vector NAME(load_up_to)(const float *at, ptrdiff_t left)
{
    float lanes[LANES] = {0};
    if (left >= LANES)
        return NAME(load)(at);
    memcpy(lanes, at, (size_t)left * sizeof(float));
    return NAME(load)(lanes);
}

INLINE TARGET void NAME(store_up_to)(float *at, Vector values, ptrdiff_t left)
{
    float lanes[LANES];
    if (left >= LANES) {
        NAME(store)(at, values);
    } else {
        NAME(store)(lanes, values);
        memcpy(at, lanes, (size_t)left * sizeof(float));
    }
}

INLINE TARGET Vector NAME(choose)(Mask mask, Vector yes, Vector no)
{
    return (Vector)((mask & (Mask)yes) | (~mask & (Mask)no));
}

/* Filter rows along themselves, into one slot of a ring.

   A ring keeps the last rows of up to MAPS maps: for each vector's width of columns the maps, and
   for each map `window` slots. */
INLINE TARGET void NAME(filter_across)(Vector *ring, ptrdiff_t slot, const float *rows,
                                       ptrdiff_t stride, int maps, const Job *job,
                                       ptrdiff_t blocks)
{
    for (ptrdiff_t block = 0; block < blocks; block++) {
        const float *at = rows + block * LANES;
        Vector sums[MAPS] = {0};
        for (ptrdiff_t k = 0; k < job->window; k++)
            for (int map = 0; map < maps; map++)
                sums[map] += job->taps[k] * NAME(load)(at + map * stride + k);
        for (int map = 0; map < maps; map++)
            ring[(block * MAPS + map) * job->window + slot] = sums[map];
    }
}

/* Filter a block of a ring down its rows. Not the rows but the taps are turned, so that the first
   of them meets the row `oldest`. */
INLINE TARGET void NAME(filter_down)(Vector *sums, const Vector *ring, ptrdiff_t block, int maps,
                                     const Job *job, ptrdiff_t oldest)
{
    const Vector *rows = ring + block * MAPS * job->window;
    const float *taps = job->taps + job->window - oldest % job->window;
    for (int map = 0; map < maps; map++)
        sums[map] = (Vector){0};
    for (ptrdiff_t k = 0; k < job->window; k++)
        for (int map = 0; map < maps; map++)
            sums[map] += taps[k] * rows[map * job->window + k];
}

/* What is averaged under the window: x, y, (x - y)^2 and x y of a row of centred images. */
INLINE TARGET void NAME(fill_products)(float *rows, ptrdiff_t stride, const float *x_row,
                                       const float *y_row, const Plane *plane, ptrdiff_t width)
{
    for (ptrdiff_t column = 0; column < width; column += LANES) {
        Vector x = NAME(load_up_to)(x_row + column, width - column) - plane->x_centre;
        Vector y = NAME(load_up_to)(y_row + column, width - column) - plane->y_centre;
        NAME(store)(rows + column, x);
        NAME(store)(rows + stride + column, y);
        NAME(store)(rows + 2 * stride + column, (x - y) * (x - y));
        NAME(store)(rows + 3 * stride + column, x * y);
    }
}

/* Add up what the similarity of a row of places lacks of 1, and give its slopes there:

       C = 1 - V / (v_x + v_y + C2)            contrast and structure, V the variance of x - y
       L = (1 - (X - Y)^2 / (X^2 + Y^2 + C1)) / 2      half the luminance, X and Y the means

   Equal images lack nothing in this form, to the last digit, and sums of what others lack are
   small. Where C is nearer to 0 than to 1, its own formula keeps the digits instead. The slopes
   are those by the product x y, minus those by the energy x^2 + y^2, and those by the means. */
INLINE TARGET void NAME(fill_slopes)(float *rows, ptrdiff_t stride, Vector *total,
                                     const Vector *ring, ptrdiff_t oldest, const Plane *plane,
                                     const Job *job, int luminance, int count, ptrdiff_t blocks)
{
    for (ptrdiff_t block = 0; block < blocks; block++) {
        float *at = rows + block * LANES;
        Vector sums[MAPS];
        NAME(filter_down)(sums, ring, block, MAPS, job, oldest);
        Vector x = sums[0], y = sums[1], apart = x - y;
        Vector difference = sums[2] - apart * apart;
        Vector covariance = 2 * (sums[3] - x * y) + job->c2;
        Vector product = 1 / (difference + covariance);
        Vector lack = difference * product, all = lack;
        Mask alike = lack < 0.5f;
        Vector contrast = NAME(choose)(alike, 1 - lack, covariance * product);
        Vector by_x = {0}, by_y = {0};
        if (luminance) {
            Vector x_mean = x + plane->x_centre, y_mean = y + plane->y_centre;
            Vector means_apart = x_mean - y_mean;
            Vector scale = 1 / (x_mean * x_mean + y_mean * y_mean + job->c1);
            Vector dimness = means_apart * means_apart * scale;
            Vector half = 0.5f * (1 - dimness);
            Vector rest = 0.5f * contrast * scale;
            all += dimness * contrast;
            product *= half;
            by_x = rest * (x_mean * dimness - means_apart);
            by_y = rest * (y_mean * dimness + means_apart);
        }
        total[block] += all;
        if (count > 0) {
            NAME(store)(at, product);
            NAME(store)(at + stride, product * contrast);
            by_x += product * NAME(choose)(alike, apart - lack * x, contrast * x - y);
            NAME(store)(at + 2 * stride, by_x);
        }
        if (count > 1) {
            by_y += product * NAME(choose)(alike, -apart - lack * y, contrast * y - x);
            NAME(store)(at + 3 * stride, by_y);
        }
    }
}

/* Give a row of the gradients from the slopes spread over its pixels. */
INLINE TARGET void NAME(fill_gradients)(const Vector *ring, ptrdiff_t row, const Plane *plane,
                                        const Job *job, int count)
{
    for (ptrdiff_t column = 0; column < job->width; column += LANES) {
        ptrdiff_t pixel = row * job->width + column, left = job->width - column;
        Vector sums[MAPS];
        NAME(filter_down)(sums, ring, column / LANES, 2 + count, job, row + 1);
        Vector x = NAME(load_up_to)(plane->x + pixel, left) - plane->x_centre;
        Vector y = NAME(load_up_to)(plane->y + pixel, left) - plane->y_centre;
        Vector product = sums[0], energy = sums[1], lack = product - energy, apart = x - y;
        Mask alike = 4 * lack * lack < product * product;
        Vector part = NAME(choose)(alike, lack * x - product * apart, product * y - energy * x);
        NAME(store_up_to)(plane->by_x + pixel, sums[2] + part, left);
        if (count > 1) {
            part = NAME(choose)(alike, lack * y + product * apart, product * x - energy * y);
            NAME(store_up_to)(plane->by_y + pixel, sums[3] + part, left);
        }
    }
}

/* Give the sum of what was added up, and begin anew. */
INLINE TARGET double NAME(take)(Vector *total, ptrdiff_t columns)
{
    double sum = 0;
    for (ptrdiff_t column = 0; column < columns; column++) {
        sum += ((float *)total)[column];
        ((float *)total)[column] = 0;
    }
    return sum;
}

/* Work off a band of a plane row by row: all that a row needs of those before it is in two rings.

   A place, where the window fits, has the number of the first row under it. Its slopes spread over
   the rows from there on, so the gradients of a row are ready with the place of its number. */
INLINE TARGET void NAME(work_off)(const Job *job, ptrdiff_t item, float *memory, int luminance,
                                  int count)
{
    const ptrdiff_t width = job->width, margin = job->window - 1;
    const ptrdiff_t places = job->height - margin, columns = width - margin;
    const ptrdiff_t start = job->height * (item % job->bands) / job->bands;
    const ptrdiff_t stop = job->height * (item % job->bands + 1) / job->bands;
    const ptrdiff_t last = stop < places ? stop : places;
    const ptrdiff_t before = count && start > margin ? start - margin : count ? 0 : start;
    const Plane plane = plane_for(job, item / job->bands, start, stop);
    const ptrdiff_t blocks = (width + LANES - 1) / LANES;
    const ptrdiff_t place_blocks = (columns + LANES - 1) / LANES;
    const ptrdiff_t stride = blocks * LANES + 2 * margin + LANES;
    const ptrdiff_t ring_size = blocks * MAPS * job->window;
    Vector *total = (Vector *)memory, *moments = total + blocks, *spread = moments + ring_size;
    float *products = (float *)(spread + ring_size), *slopes = products + MAPS * stride;
    double sum = 0;

    memset(memory, 0, memory_needed(job, LANES));
    for (ptrdiff_t row = before; row < last + margin && before < last; row++) {
        const ptrdiff_t place = row - margin, pixel = row * width;
        NAME(fill_products)(products, stride, plane.x + pixel, plane.y + pixel, &plane, width);
        NAME(filter_across)(moments, row % job->window, products, stride, MAPS, job, place_blocks);
        if (place < before)
            continue;
        if (place % ROWS_PER_SUM == 0 || place == start)
            sum += NAME(take)(total, columns); /* longer sums would lose digits */
        if (place == start)
            sum = 0; /* what was added up before belongs to the band above */
        NAME(fill_slopes)(slopes + margin, stride, total, moments, place, &plane, job, luminance,
                          count, place_blocks);
        if (!count)
            continue;
        for (int map = 0; map < 2 + count; map++)
            memset(slopes + map * stride + margin + columns, 0,
                   (size_t)(place_blocks * LANES - columns) * sizeof(float));
        NAME(filter_across)(spread, place % job->window, slopes, stride, 2 + count, job, blocks);
        if (place >= start)
            NAME(fill_gradients)(spread, place, &plane, job, count);
    }
    for (ptrdiff_t row = start > places ? start : places; count && row < stop; row++) {
        for (ptrdiff_t slot = row % job->window; slot < ring_size; slot += job->window)
            spread[slot] = (Vector){0};
        NAME(fill_gradients)(spread, row, &plane, job, count);
    }
    sum += NAME(take)(total, columns);
    job->sums[item] = start < places ? sum : 0;
}

/* Take items until there are no more; any number of threads may do so at once. */
TARGET static void NAME(work)(void *data)
{
    Job *job = data;
    float *memory = malloc(memory_needed(job, LANES) + sizeof(Vector));
    if (!memory)
        return; /* another thread may have more luck */
    float *aligned = (float *)(((uintptr_t)memory / sizeof(Vector) + 1) * sizeof(Vector));
    for (;;) {
        ptrdiff_t item = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (item >= job->planes * job->bands)
            break;
        /* The settings are constants in each call, so that what they leave out costs nothing. */
        switch (2 * job->count + job->luminance) {
        case 0: NAME(work_off)(job, item, aligned, 0, 0); break;
        case 1: NAME(work_off)(job, item, aligned, 1, 0); break;
        case 2: NAME(work_off)(job, item, aligned, 0, 1); break;
        case 3: NAME(work_off)(job, item, aligned, 1, 1); break;
        case 4: NAME(work_off)(job, item, aligned, 0, 2); break;
        default: NAME(work_off)(job, item, aligned, 1, 2); break;
        }
    }
    free(memory);
}

#undef Vector
#undef Mask
#undef LANES
#undef TARGET
#undef NAME
