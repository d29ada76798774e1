// reduce.glsl - the sum over a workgroup that is one subgroup. Needs constant_id HAS_SUBGROUP and LOCAL_SIZE.
//
// Where subgroup arithmetic is missing or known to be wrong, a tree in shared memory; the order of the sums is a
// function of the lane numbers alone either way, so the result does not depend on the row's neighbours.

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

shared float reduce_memory[LOCAL_SIZE];

float sum_of_group(float x)
{
    if (HAS_SUBGROUP)
        return subgroupAdd(x);
    barrier();
    reduce_memory[gl_LocalInvocationID.x] = x;
    for (uint half_size = LOCAL_SIZE / 2; half_size > 0; half_size /= 2) {
        barrier();
        if (gl_LocalInvocationID.x < half_size)
            reduce_memory[gl_LocalInvocationID.x] += reduce_memory[gl_LocalInvocationID.x + half_size];
    }
    barrier();
    return reduce_memory[0];
}
