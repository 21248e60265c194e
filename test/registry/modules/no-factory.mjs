export default { stores: 'bytes' };
